//! What is said, by language. Owns the shipped texts (English, German, Spanish, French), `[[language]]` and which texts a call gets;
//! how they become sound is `io::prompts`'.

use std::collections::BTreeMap;

use super::reader::{At, Reader, Section};
use crate::model::Language;
use crate::model::business::spoken_text;

/// The texts of one language. `{company}` is replaced in each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Texts {
    /// The message.
    pub connecting: String,
    /// The second message.
    pub unavailable: String,
    /// The customer's gate.
    pub gate: String,
    /// What a representative is told; the page's title follows.
    pub whisper: String,
    /// What a representative is told to press, after that.
    pub accept: String,
    /// What a machine is told.
    pub machine: String,
    /// To a customer who holds.
    pub still: String,
    /// After that, where a wait is known; `{wait}` is one of the next two.
    pub wait: String,
    /// About a minute.
    pub minute: String,
    /// About so many `{minutes}`.
    pub minutes: String,
    /// To both, where their talk is recorded and they are to be told.
    pub consent: String,
    /// The voice: `{voice}` of the speech command.
    pub voice: String,
}

/// The texts that have a key in the configuration, in the order of [`Texts`].
const KEYS: [&str; 11] = [
    "text",
    "unavailable_text",
    "gate_text",
    "whisper_text",
    "accept_text",
    "machine_text",
    "hold_text",
    "wait_text",
    "wait_minute",
    "wait_minutes",
    "consent_text",
];

const ENGLISH: [&str; 11] = [
    // The message of the seed (Fig. 5, step 512).
    "Please hold while we connect you to a {company} company customer representative.",
    "We are sorry. No {company} company customer representative is available. Please try again later. Goodbye.",
    "This is a call from {company}. Press 1 to be connected.",
    "Call from {company}.",
    "Press 1 to accept.",
    "This is {company}. You asked us to call you. Please ask for another call when you can answer. Goodbye.",
    "You are still in line. Please hold.",
    "The estimated wait is {wait}.",
    "about one minute",
    "about {minutes} minutes",
    "This call is recorded.",
];

const GERMAN: [&str; 11] = [
    "Bitte warten Sie. Wir verbinden Sie mit einem Kundenberater von {company}.",
    "Es tut uns leid. Zurzeit ist kein Kundenberater von {company} erreichbar. Bitte versuchen Sie es später noch einmal. Auf Wiederhören.",
    "Dies ist ein Anruf von {company}. Drücken Sie die 1, um verbunden zu werden.",
    "Anruf von {company}.",
    "Drücken Sie die 1, um anzunehmen.",
    "Hier ist {company}. Sie hatten um einen Anruf gebeten. Bitte fordern Sie einen neuen an, wenn Sie antworten können. Auf Wiederhören.",
    "Sie sind weiterhin in der Warteschleife. Bitte bleiben Sie am Apparat.",
    "Die Wartezeit beträgt {wait}.",
    "etwa eine Minute",
    "etwa {minutes} Minuten",
    "Dieses Gespräch wird aufgezeichnet.",
];

const SPANISH: [&str; 11] = [
    "Por favor, espere mientras le comunicamos con un representante de {company}.",
    "Lo sentimos. Ningún representante de {company} está disponible. Por favor, inténtelo más tarde. Adiós.",
    "Tiene una llamada de {company}. Pulse 1 para que le comuniquemos.",
    "Llamada de {company}.",
    "Pulse 1 para aceptar.",
    "Le llamamos de {company}. Usted pidió que le llamáramos. Por favor, pida otra llamada cuando pueda contestar. Adiós.",
    "Sigue usted en espera. Por favor, no cuelgue.",
    "La espera estimada es de {wait}.",
    "aproximadamente un minuto",
    "aproximadamente {minutes} minutos",
    "Esta llamada se graba.",
];

const FRENCH: [&str; 11] = [
    "Veuillez patienter pendant que nous vous mettons en relation avec un conseiller de {company}.",
    "Nous sommes désolés. Aucun conseiller de {company} n'est disponible. Veuillez réessayer plus tard. Au revoir.",
    "Vous avez un appel de {company}. Appuyez sur 1 pour être mis en relation.",
    "Appel de {company}.",
    "Appuyez sur 1 pour accepter.",
    "Ici {company}. Vous avez demandé à être appelé. Veuillez demander un nouvel appel quand vous pourrez répondre. Au revoir.",
    "Vous êtes toujours en attente. Veuillez rester en ligne.",
    "L'attente est estimée à {wait}.",
    "environ une minute",
    "environ {minutes} minutes",
    "Cet appel est enregistré.",
];

/// Languages whose texts are shipped, by their tags.
const SHIPPED: [(&str, &[&str; 11]); 4] = [("en", &ENGLISH), ("de", &GERMAN), ("es", &SPANISH), ("fr", &FRENCH)];

impl Texts {
    /// The shipped texts of a language, whatever its region.
    pub fn shipped(language: Language) -> Option<Texts> {
        let (_, texts) = SHIPPED.iter().find(|(tag, _)| language.without_region().as_str() == *tag)?;
        Some(Texts::of(texts.map(str::to_owned), language))
    }

    /// In the configuration's order.
    fn of(texts: [String; 11], language: Language) -> Texts {
        let [connecting, unavailable, gate, whisper, accept, machine, still, wait, minute, minutes, consent] = texts;
        let voice = language.as_str().to_ascii_lowercase();
        Texts { connecting, unavailable, gate, whisper, accept, machine, still, wait, minute, minutes, consent, voice }
    }

    /// Those of English.
    pub fn english() -> Texts {
        Texts::of(ENGLISH.map(str::to_owned), Language::ENGLISH)
    }
}

/// Reads the texts of a section; what it does not say comes from `base`, and is missing where there is none.
pub(super) fn read(
    reader: &mut Reader,
    section: &mut Section<'_>,
    language: Language,
    base: Option<Texts>,
) -> Option<Texts> {
    let mend = "write the sentence that is spoken; {company} is replaced by the company's name";
    let mut said = KEYS.map(|key| section.read(reader, key, mend, spoken_text).map(|at| at.value));
    let voice_mend = "write a voice of the speech program, such as \"de\"";
    let voice = section.read(reader, "voice", voice_mend, |text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+');
        let good = (1..=40).contains(&text.len()) && text.starts_with(char::is_alphanumeric) && text.chars().all(plain);
        if good { Ok(text.to_owned()) } else { Err("no name of a voice") }
    });
    if let Some(base) = base {
        let voice_of_base = base.voice;
        let base = [
            base.connecting,
            base.unavailable,
            base.gate,
            base.whisper,
            base.accept,
            base.machine,
            base.still,
            base.wait,
            base.minute,
            base.minutes,
            base.consent,
        ];
        for (said, base) in said.iter_mut().zip(base) {
            said.get_or_insert(base);
        }
        let texts = Texts::of(said.map(Option::unwrap_or_default), language);
        return Some(Texts { voice: voice.map_or(voice_of_base, |at| at.value), ..texts });
    }
    let (place, mut whole) = (section.place(reader), true);
    for (key, said) in KEYS.iter().zip(&said) {
        if said.is_none() {
            let problem = "missing: no texts of this language are shipped";
            reader.error(&place, &section.key(key), problem, mend);
            whole = false;
        }
    }
    let texts = Texts::of(said.map(Option::unwrap_or_default), language);
    let voice = voice.map_or_else(|| texts.voice.clone(), |at| at.value);
    whole.then_some(Texts { voice, ..texts })
}

/// `[[language]]`.
pub(super) fn languages(reader: &mut Reader, sections: Vec<Section<'_>>) -> BTreeMap<Language, Texts> {
    let shipped = SHIPPED.iter().filter_map(|(tag, _)| tag.parse::<Language>().ok());
    let mut all: BTreeMap<Language, Texts> =
        shipped.filter_map(|language| Some((language, Texts::shipped(language)?))).collect();
    let mut seen = Vec::new();
    for mut section in sections {
        let mend = "write a language, such as tag = \"de\" or tag = \"pt-BR\"";
        let tag = section.read(reader, "tag", mend, |text| text.parse::<Language>());
        match tag {
            Some(At { place, value }) => {
                if seen.contains(&value) {
                    reader.error(&place, &section.key("tag"), format!("{value} is there twice"), "keep one of them");
                }
                seen.push(value);
                if let Some(texts) = read(reader, &mut section, value, Texts::shipped(value)) {
                    all.insert(value, texts);
                }
            }
            None if !section.has("tag") => {
                let here = section.place(reader);
                reader.error(&here, &section.key("tag"), "missing", mend);
            }
            None => {}
        }
        section.finish(reader);
    }
    all
}
