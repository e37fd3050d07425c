//! What a page looks like, in words that no font changes: which parts are seen, in which rows from top to bottom and from left to right, what
//! stands out of the window, what lies over something else. Owns that wording; golden files hold it.

use serde_json::Value;

use super::browser::Browser;

/// Runs in the page: names and selectors in, boxes out; a selector that begins with `@` is within the button's card.
const BOXES: &str = "const card = document.querySelector('[data-callbridge-card]')?.shadowRoot;\n\
    return PARTS.flatMap(([name, selector]) => {\n\
      const from = selector.startsWith('@') ? card : document;\n\
      const all = from ? [...from.querySelectorAll(selector.replace('@', ''))] : [];\n\
      const boxes = all.map((e) => [e, e.getBoundingClientRect()]).filter(([e, r]) => r.width > 0 && r.height > 0 && e.checkVisibility({ opacityProperty: true, visibilityProperty: true }));\n\
      return boxes.length ? boxes.map(([e, r]) => ({ name, x: r.left, y: r.top, r: r.right, b: r.bottom, cut: e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible' })) : [{ name, hidden: true }];\n\
    })";

struct Part {
    name: String,
    x: f64,
    y: f64,
    right: f64,
    bottom: f64,
    cut: bool,
}

impl Part {
    fn holds(&self, other: &Part) -> bool {
        self.x <= other.x + 1.0
            && self.y <= other.y + 1.0
            && self.right >= other.right - 1.0
            && self.bottom >= other.bottom - 1.0
    }

    fn meets(&self, other: &Part) -> bool {
        let (wide, high) =
            (self.right.min(other.right) - self.x.max(other.x), self.bottom.min(other.bottom) - self.y.max(other.y));
        wide > 2.0 && high > 2.0
    }
}

/// The layout of these parts: names and selectors.
pub fn layout(browser: &Browser, parts: &[(&str, &str)]) -> String {
    let named = serde_json::to_string(parts).expect("JSON");
    let boxes = browser.run(&BOXES.replace("PARTS", &named));
    let width = browser.run("return document.documentElement.clientWidth").as_f64().unwrap_or_default();
    let sideways =
        browser.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth") == true;
    let all = boxes.as_array().cloned().unwrap_or_default();
    let of = |one: &Value, key: &str| one[key].as_f64().unwrap_or_default();
    let name = |one: &Value| one["name"].as_str().unwrap_or_default().to_owned();
    let seen: Vec<Part> = all
        .iter()
        .filter(|one| one["hidden"] != true)
        .map(|one| Part {
            name: name(one),
            x: of(one, "x"),
            y: of(one, "y"),
            right: of(one, "r"),
            bottom: of(one, "b"),
            cut: one["cut"] == true,
        })
        .collect();
    let mut text = String::new();
    for row in rows(&seen) {
        let names: Vec<&str> = row.iter().map(|part| part.name.as_str()).collect();
        text.push_str(&format!("{}\n", names.join(" | ")));
    }
    let mut tell = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            text.push_str(&format!("{what}: {}\n", names.join(", ")));
        }
    };
    tell("hidden", all.iter().filter(|one| one["hidden"] == true).map(name).collect());
    tell(
        "outside",
        seen.iter().filter(|one| one.x < -0.5 || one.right > width + 0.5).map(|one| one.name.clone()).collect(),
    );
    tell("cut off", seen.iter().filter(|one| one.cut).map(|one| one.name.clone()).collect());
    let mut over = Vec::new();
    for (at, one) in seen.iter().enumerate() {
        let others = seen.iter().skip(at + 1).filter(|two| one.meets(two) && !one.holds(two) && !two.holds(one));
        over.extend(others.map(|two| format!("{} over {}", two.name, one.name)));
    }
    tell("overlapping", over);
    tell("page", Vec::from_iter(sideways.then(|| "wider than the window".to_owned())));
    text
}

/// Parts whose middles are on one height are one row, from left to right; what holds others stands before them.
fn rows(parts: &[Part]) -> Vec<Vec<&Part>> {
    let mut sorted: Vec<&Part> = parts.iter().collect();
    sorted.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x.total_cmp(&b.x)).then(b.bottom.total_cmp(&a.bottom)));
    let mut rows: Vec<Vec<&Part>> = Vec::new();
    for part in sorted {
        let middle = (part.y + part.bottom) / 2.0;
        let beside = |row: &Vec<&Part>| {
            row.iter().all(|one| {
                !one.holds(part)
                    && !part.holds(one)
                    && (one.y..one.bottom).contains(&middle)
                    && (part.y..part.bottom).contains(&((one.y + one.bottom) / 2.0))
            })
        };
        match rows.last_mut().filter(|row| beside(row)) {
            Some(row) => row.push(part),
            None => rows.push(vec![part]),
        }
    }
    rows.iter_mut().for_each(|row| row.sort_by(|a, b| a.x.total_cmp(&b.x)));
    rows
}
