//! The library as the engine and the media thread use it, with the real flite.

use super::*;
use crate::audio::level::measure;
use crate::audio::tone::{is_heard, sine, windows_heard};
use crate::config::Texts;
use crate::media::api::{Still, Whisper};
use crate::model::business::PasswordHash;
use crate::model::{Business, Language};

const LONG: Duration = Duration::from_secs(30);

fn prompt_config() -> PromptConfig {
    let mut texts = Texts::english();
    texts.unavailable = "We are sorry. No representative is available now. Please try again later. Goodbye.".to_owned();
    PromptConfig {
        language: Language::ENGLISH,
        texts,
        others: ["de", "es", "fr"]
            .map(|tag| tag.parse().unwrap())
            .map(|tag| (tag, Texts::shipped(tag).unwrap()))
            .into(),
        hold_repeat_seconds: 30,
        file: None,
        unavailable_file: None,
        hold_music: None,
    }
}

fn flite() -> SpeechConfig {
    let command = ["flite", "-voice", "slt", "-t", "{text}", "-o", "{output}"];
    SpeechConfig { command: Some(command.map(str::to_owned).to_vec()), timeout_seconds: 20 }
}

/// What a machine without any speech program is like.
fn none() -> SpeechConfig {
    SpeechConfig { command: Some(Vec::new()), timeout_seconds: 1 }
}

fn spoken(business: &str, company: &str) -> Spoken {
    Spoken { business: business.parse().unwrap(), company: company.into(), language: None }
}

fn directory(names: &[(&str, &str)]) -> Directory {
    let business = |id: &str, name: &str| Business::new(id.parse().unwrap(), name, PasswordHash(String::new()));
    let all = names.iter().map(|(id, name)| (id.parse().unwrap(), Arc::new(business(id, name))));
    Directory { businesses: all.collect() }
}

fn recording(folder: &Path, name: &str, hertz: f64) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, wav::write_mono(&sine(hertz, 5000, 8000))).unwrap();
    path
}

fn prepare(library: &PromptLibrary, spoken: &Spoken) {
    library.prepare(Clip::Connecting(spoken.clone()));
    library.prepare(Clip::Unavailable(spoken.clone()));
}

fn connecting(library: &PromptLibrary, spoken: &Spoken) -> Vec<i16> {
    library.find(&Clip::Connecting(spoken.clone())).to_pcm()
}

#[test]
fn a_company_is_named_when_its_call_comes() {
    let folder = tempfile::tempdir().unwrap();
    let library = PromptLibrary::start(&prompt_config(), &flite(), folder.path()).unwrap();
    let (short, long) = (spoken("abc", "Blue Harbor"), spoken("abc", "Greater Metropolitan Electricity and Water"));
    let unnamed = connecting(&library, &short);
    assert!(!library.is_ready(&short) && measure(&unnamed).is_like_speech());
    for spoken in [&short, &long] {
        prepare(&library, spoken);
    }
    assert!(library.settle(LONG) && library.is_ready(&short));
    let (short, long) = (connecting(&library, &short), connecting(&library, &long));
    assert!(unnamed.len() < short.len() && short.len() < long.len());
    assert!(measure(&short).is_like_speech() && measure(&long).is_like_speech());
}

#[test]
fn registered_names_are_ready_before_any_call() {
    let folder = tempfile::tempdir().unwrap();
    let library = PromptLibrary::start(&prompt_config(), &flite(), folder.path()).unwrap();
    library.businesses_changed(&directory(&[("abc", "ABC"), ("blue", "Blue Harbor")]));
    assert!(library.settle(LONG));
    assert!(library.is_ready(&spoken("abc", "ABC")) && library.is_ready(&spoken("blue", "Blue Harbor")));
}

#[test]
fn without_a_speech_program_the_shipped_words_are_heard_around_the_uploaded_name() {
    let folder = tempfile::tempdir().unwrap();
    let library = PromptLibrary::start(&prompt_config(), &none(), folder.path()).unwrap();
    let name = recording(folder.path(), "name.wav", 440.0);
    install_recording(folder.path(), &"abc".parse().unwrap(), RecordingKind::SpokenName, &name).unwrap();
    library.businesses_changed(&directory(&[("abc", "ABC"), ("other", "Other")]));
    assert!(library.settle(LONG));
    let heard = |business, company| windows_heard(&connecting(&library, &spoken(business, company)), 440.0, 800);
    assert!(heard("abc", "ABC") >= 8, "the name's second is heard");
    assert_eq!(heard("other", "Other"), 0);
    assert_eq!(heard("abc", "Another Company"), 0, "the recording says another name than the call's");
    assert!(measure(&connecting(&library, &spoken("other", "Other"))).is_like_speech());
}

#[test]
fn the_businesss_own_message_goes_before_the_file_and_the_file_before_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = prompt_config();
    config.file = Some(recording(folder.path(), "all.wav", 600.0));
    config.hold_music = Some(recording(folder.path(), "music.wav", 800.0));
    config.unavailable_file = Some(recording(folder.path(), "sorry.wav", 1000.0));
    let library = PromptLibrary::start(&config, &flite(), folder.path()).unwrap();
    let (abc, other) = (spoken("abc", "ABC"), spoken("other", "Other"));
    library.businesses_changed(&directory(&[("abc", "ABC"), ("other", "Other")]));
    assert!(library.settle(LONG));
    assert!(is_heard(&connecting(&library, &abc), 600.0) && library.is_ready(&abc));
    assert!(is_heard(&library.find(&Clip::HoldMusic).to_pcm(), 800.0));
    for (kind, hertz) in [(RecordingKind::Message, 500.0), (RecordingKind::Unavailable, 1200.0)] {
        let own = recording(folder.path(), "own.wav", hertz);
        install_recording(folder.path(), &abc.business, kind, &own).unwrap();
    }
    library.businesses_changed(&directory(&[("abc", "ABC"), ("other", "Other")]));
    assert!(library.settle(LONG));
    assert!(is_heard(&connecting(&library, &abc), 500.0) && is_heard(&connecting(&library, &other), 600.0));
    let sorry = |spoken: &Spoken| library.find(&Clip::Unavailable(spoken.clone())).to_pcm();
    assert!(is_heard(&sorry(&abc), 1200.0) && is_heard(&sorry(&other), 1000.0));
}

#[test]
fn a_running_daemon_hears_of_an_installed_recording() {
    let folder = tempfile::tempdir().unwrap();
    let library = PromptLibrary::start(&prompt_config(), &none(), folder.path()).unwrap();
    library.businesses_changed(&directory(&[("abc", "ABC")]));
    assert!(library.settle(LONG));
    let own = recording(folder.path(), "own.wav", 500.0);
    install_recording(folder.path(), &"abc".parse().unwrap(), RecordingKind::Message, &own).unwrap();
    let began = std::time::Instant::now();
    while !is_heard(&connecting(&library, &spoken("abc", "ABC")), 500.0) {
        assert!(began.elapsed() < LONG);
        assert!(library.settle(LONG));
    }
}

#[test]
fn a_bad_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.wav");
    std::fs::write(&bad, "no WAV").unwrap();
    let mut config = prompt_config();
    config.hold_music = Some(bad.clone());
    let error = PromptLibrary::start(&config, &none(), folder.path()).unwrap_err().to_string();
    assert!(error.starts_with("[prompt] hold_music") && error.contains("bad.wav"), "{error}");
    let id = "abc".parse().unwrap();
    let install = |path: &Path| install_recording(folder.path(), &id, RecordingKind::Message, path);
    assert!(matches!(install(&bad), Err(RecordingError::Wav { .. })));
    assert!(matches!(install(Path::new("/nowhere.wav")), Err(RecordingError::Read { .. })));
    std::fs::write(&bad, wav::write_mono(&[0; 8000])).unwrap();
    assert!(matches!(install(&bad), Err(RecordingError::Silent { .. })));
    assert!(!folder.path().join("recordings").exists());
}

#[test]
fn the_library_ends_at_once_even_while_a_program_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = SpeechConfig { command: Some(vec!["/bin/sleep".to_owned(), "600".to_owned()]), timeout_seconds: 600 };
    let library = PromptLibrary::start(&prompt_config(), &hanging, folder.path()).unwrap();
    prepare(&library, &spoken("abc", "ABC"));
    let began = std::time::Instant::now();
    drop(library);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_gate_and_a_whisper_are_spoken_when_asked_for_and_a_whisper_that_is_not_ready_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let library = PromptLibrary::start(&prompt_config(), &flite(), folder.path()).unwrap();
    let abc = spoken("abc", "ABC");
    let whisper =
        |page: Option<&str>, accept| Clip::Whisper(Whisper { spoken: abc.clone(), page: page.map(Into::into), accept });
    let length = |clip: &Clip| library.find(clip).samples();
    let shipped = length(&Clip::Gate(abc.clone()));
    assert!(shipped > 8000 * 3, "words and a pause");
    assert_eq!((length(&whisper(None, false)), length(&whisper(None, true))), (0, shipped));
    let clips =
        [Clip::Gate(abc.clone()), whisper(None, false), whisper(Some("the cruises"), false), whisper(None, true)];
    clips.iter().for_each(|clip| library.prepare(clip.clone()));
    assert!(library.settle(LONG));
    let [gate, short, long, accept] = clips.each_ref().map(length);
    assert!(gate != shipped && short > 4000 && long > short + 4000 && accept > short + 16_000);
    assert_eq!(length(&whisper(Some("another page"), false)), 0);
}

#[test]
fn each_language_has_its_own_rendering_and_the_recordings_are_in_the_business_s() {
    let folder = tempfile::tempdir().unwrap();
    // No `{voice}` in it: other languages are espeak-ng's, from the Debian package.
    let library = PromptLibrary::start(&prompt_config(), &flite(), folder.path()).unwrap();
    let of = |tag: &str| Spoken { language: Some(tag.parse().unwrap()), ..spoken("abc", "ABC") };
    for tag in ["de", "es", "fr"] {
        for minutes in [None, Some(1), Some(2)] {
            library.prepare(Clip::Still(Still { spoken: of(tag), minutes }));
        }
        prepare(&library, &of(tag));
    }
    prepare(&library, &spoken("abc", "ABC"));
    assert!(library.settle(LONG));
    let (usual, german) = (connecting(&library, &spoken("abc", "ABC")), connecting(&library, &of("de")));
    assert!(usual.len().abs_diff(german.len()) > 400 && measure(&german).is_like_speech());
    let still = |tag: &str, minutes| library.find(&Clip::Still(Still { spoken: of(tag), minutes })).samples();
    for tag in ["de", "es", "fr"] {
        assert!(still(tag, Some(1)) > still(tag, None) + 4000, "{tag}");
    }
    assert_eq!(
        still("pt", None),
        library.find(&Clip::Still(Still { spoken: spoken("abc", "ABC"), minutes: None })).samples()
    );

    let own = recording(folder.path(), "own.wav", 500.0);
    install_recording(folder.path(), &"abc".parse().unwrap(), RecordingKind::Message, &own).unwrap();
    library.businesses_changed(&directory(&[("abc", "ABC")]));
    assert!(library.settle(LONG));
    assert!(is_heard(&connecting(&library, &spoken("abc", "ABC")), 500.0));
    assert_eq!(connecting(&library, &of("de")).len(), german.len(), "the recording is in another language");
}
