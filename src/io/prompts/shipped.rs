//! The recordings in `assets/`, compiled in: what callbridge says where no speech program is installed. Owns their bytes and
//! how the fixed words are joined with a spoken name; refuses files.

use crate::audio::{render, wav};

/// The fixed words before the company's name.
const CONNECTING_START: &[u8] = include_bytes!("../../../assets/connecting-start.wav");
/// The fixed words after it.
const CONNECTING_END: &[u8] = include_bytes!("../../../assets/connecting-end.wav");
/// The message without a name.
const CONNECTING: &[u8] = include_bytes!("../../../assets/connecting.wav");
/// The second message.
const UNAVAILABLE: &[u8] = include_bytes!("../../../assets/unavailable.wav");
/// What is left on a machine, without a name.
const MACHINE: &[u8] = include_bytes!("../../../assets/machine.wav");
/// To a customer who holds.
const STILL: &[u8] = include_bytes!("../../../assets/still.wav");
/// That the talk is recorded.
const CONSENT: &[u8] = include_bytes!("../../../assets/consent.wav");
/// The gate, without a name.
const GATE: &[u8] = include_bytes!("../../../assets/gate.wav");

/// The message around a spoken name.
pub fn connecting_with(name: &[i16]) -> Vec<i16> {
    render::join(&[&samples(CONNECTING_START), name, &samples(CONNECTING_END)])
}

/// The message without a name.
pub fn connecting() -> Vec<i16> {
    samples(CONNECTING)
}

/// The second message.
pub fn unavailable() -> Vec<i16> {
    samples(UNAVAILABLE)
}

/// The gate.
pub fn gate() -> Vec<i16> {
    samples(GATE)
}

/// What is left on a machine.
pub fn machine() -> Vec<i16> {
    samples(MACHINE)
}

/// To a customer who holds.
pub fn still() -> Vec<i16> {
    samples(STILL)
}

/// That the talk is recorded.
pub fn consent() -> Vec<i16> {
    samples(CONSENT)
}

/// A shipped file's samples. A test reads every one, so there is nothing to report here.
fn samples(file: &[u8]) -> Vec<i16> {
    wav::read(file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::audio::level::measure;

    /// Each shipped file and its words; `assets/README.md` lists the same.
    const SPOKEN: [(&str, &[u8], &str); 8] = [
        ("connecting-start.wav", CONNECTING_START, "Please hold while we connect you to a"),
        ("connecting-end.wav", CONNECTING_END, "company customer representative."),
        ("connecting.wav", CONNECTING, "Please hold while we connect you to a customer representative."),
        (
            "unavailable.wav",
            UNAVAILABLE,
            "We are sorry. No representative is available now. Please try again later. Goodbye.",
        ),
        ("machine.wav", MACHINE, "You asked us to call you. Please ask for another call when you can answer. Goodbye."),
        ("still.wav", STILL, "You are still in line. Please hold."),
        ("consent.wav", CONSENT, "This call is recorded."),
        ("gate.wav", GATE, "There is a call for you. Press 1 to be connected."),
    ];

    fn spoken_by_flite(words: &str) -> Vec<i16> {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("spoken.wav");
        let ran = Command::new("flite").args(["-voice", "slt", "-t", words, "-o"]).arg(&output).status();
        assert!(ran.expect("the Debian package flite is needed").success());
        render::ready(&wav::read(&std::fs::read(output).unwrap()).unwrap(), crate::audio::codec::Rate::Hz8000)
    }

    /// With `CALLBRIDGE_WRITE_ASSETS` set it also writes them: this is how the files came to be.
    #[test]
    fn the_shipped_recordings_are_what_flite_says() {
        for (name, file, words) in SPOKEN {
            let spoken = spoken_by_flite(words);
            if std::env::var_os("CALLBRIDGE_WRITE_ASSETS").is_some() {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name);
                std::fs::write(path, wav::write_mono(&spoken)).unwrap();
                continue;
            }
            assert!(samples(file).len().abs_diff(spoken.len()) < 800, "{name}: same words, same length within 0.1 s");
            assert!((measure(&spoken).active_dbfs - measure(&samples(file)).active_dbfs).abs() < 1.0, "{name}");
        }
    }

    #[test]
    fn every_shipped_recording_is_a_telephone_line_of_speech() {
        for (name, file, _) in SPOKEN {
            let header = hound::WavReader::new(file).unwrap().spec();
            assert_eq!((header.channels, header.sample_rate, header.bits_per_sample), (1, 8000, 16), "{name}");
            assert!(measure(&samples(file)).is_like_speech(), "{name}");
        }
    }

    #[test]
    fn a_spoken_name_stands_between_the_fixed_words() {
        let name = crate::audio::tone::sine(440.0, 5000, 4000);
        let message = connecting_with(&name);
        let at = crate::audio::tone::first_heard(&message, 440.0, 400).unwrap();
        assert!(at >= samples(CONNECTING_START).len() && at < message.len() - samples(CONNECTING_END).len());
    }
}
