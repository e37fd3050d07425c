//! `/docs`: the API's description for people, one page without any script or outside asset. Owns how the OpenAPI document is turned
//! into what the page shows; refuses to add to what it says.

use askama::Template;
use axum::http::{HeaderName, header};
use serde_json::{Map, Value};

/// What the page is served with: nothing may be loaded or run.
pub(super) const HEADERS: [(HeaderName, &str); 2] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
];

#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    title: String,
    description: String,
    groups: Vec<Group>,
    objects: Vec<Object>,
}

struct Group {
    name: String,
    description: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    parameters: Vec<Field>,
    body: Vec<Content>,
    answers: Vec<Reply>,
}

struct Reply {
    status: String,
    description: String,
    body: Vec<Content>,
}

struct Content {
    media: String,
    kind: Kind,
}

struct Object {
    name: String,
    description: String,
    kind: Kind,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    required: bool,
    kind: Kind,
    description: String,
}

/// A type in words, and the object that it leads to.
#[derive(Default)]
struct Kind {
    text: String,
    object: Option<String>,
}

/// The page of this document.
pub(super) fn page(document: &utoipa::openapi::OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let page = Page {
        title: text(&document["info"]["title"]),
        description: text(&document["info"]["description"]),
        groups: groups(&document),
        objects: members(&document["components"]["schemas"]).map(|(name, schema)| object(name, schema)).collect(),
    };
    page.render().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn groups(document: &Value) -> Vec<Group> {
    let group = |tag: &Value| {
        let name = text(&tag["name"]);
        let operations = members(&document["paths"]).flat_map(|(path, methods)| {
            members(methods)
                .filter(|(_, operation)| items(&operation["tags"]).any(|tag| tag.as_str() == Some(&name)))
                .map(|(method, described)| operation(path, method, described))
        });
        Group { operations: operations.collect(), description: text(&tag["description"]), name: name.clone() }
    };
    items(&document["tags"]).map(group).filter(|group| !group.operations.is_empty()).collect()
}

fn operation(path: &str, method: &str, described: &Value) -> Operation {
    let parameter = |parameter: &Value| Field {
        name: text(&parameter["name"]),
        required: parameter["required"] == true,
        kind: kind(&parameter["schema"]),
        description: text(&parameter["description"]),
    };
    let answer = |(status, answer): (&String, &Value)| Reply {
        status: status.clone(),
        description: text(&answer["description"]),
        body: contents(&answer["content"]),
    };
    let summary = [text(&described["summary"]), text(&described["description"])];
    Operation {
        id: format!("{method}{}", path.replace(['/', '{', '}', '.'], "-")),
        method: method.to_owned(),
        path: path.to_owned(),
        summary: summary.join(" ").trim().to_owned(),
        parameters: items(&described["parameters"]).map(parameter).collect(),
        body: contents(&described["requestBody"]["content"]),
        answers: members(&described["responses"]).map(answer).collect(),
    }
}

fn contents(content: &Value) -> Vec<Content> {
    members(content).map(|(media, one)| Content { media: media.clone(), kind: kind(&one["schema"]) }).collect()
}

fn object(name: &str, schema: &Value) -> Object {
    // What is flattened into an object stands beside its own fields.
    let parts = std::iter::once(schema).chain(items(&schema["allOf"]));
    let field = |part: &Value| {
        let required: Vec<String> = items(&part["required"]).map(text).collect();
        let of = move |(name, schema): (&String, &Value)| Field {
            required: required.contains(name),
            name: name.clone(),
            kind: kind(schema),
            description: text(&schema["description"]),
        };
        members(&part["properties"]).map(of).collect::<Vec<Field>>()
    };
    Object {
        name: name.to_owned(),
        description: text(&schema["description"]),
        kind: kind(schema),
        fields: parts.flat_map(field).collect(),
    }
}

fn kind(schema: &Value) -> Kind {
    if let Some(reference) = schema["$ref"].as_str() {
        return Kind { text: String::new(), object: reference.rsplit('/').next().map(str::to_owned) };
    }
    let choices: Vec<&Value> = items(&schema["oneOf"]).chain(items(&schema["anyOf"])).collect();
    if !choices.is_empty() {
        let kinds: Vec<Kind> = choices.into_iter().map(kind).collect();
        let words: Vec<&str> = kinds.iter().map(|kind| kind.text.as_str()).filter(|text| !text.is_empty()).collect();
        let text = words.join(" or ");
        return Kind { text, object: kinds.into_iter().find_map(|kind| kind.object) };
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<String>>().join(" or "),
        one => text(one),
    };
    if !schema["items"].is_null() {
        let of = kind(&schema["items"]);
        return Kind { text: format!("list of {}", of.text).trim_end().to_owned(), object: of.object };
    }
    let words: Vec<String> = items(&schema["enum"]).map(text).filter(|word| !word.is_empty()).collect();
    let bound = schema["maxLength"].as_u64().map(|most| format!("at most {most} characters"));
    let parts = [
        Some(types),
        schema["format"].as_str().map(str::to_owned),
        bound,
        (!words.is_empty()).then(|| words.join(", ")),
    ];
    Kind {
        text: parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": "),
        object: None,
    }
}
