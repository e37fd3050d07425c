//! The folder of scenarios and the stories agree: no scenario without a story, none without a line in the README, and the
//! test's own instruments measure right.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::g711::Law;
use crate::support::tone::Tone;

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.filter_map(|entry| entry.ok().map(|e| e.path()));
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

#[test]
fn every_scenario_is_played_and_described() {
    let folders = ["tests/sipp", "tests/interop", "tests/transports", "tests/storefront", "tests/widget"];
    let files_of_stories = folders.iter().flat_map(|folder| files(folder, "rs"));
    let stories: String = files_of_stories.filter_map(|path| fs::read_to_string(path).ok()).collect();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-scenarios/README.md"))
        .expect("sip-scenarios/README.md");
    let names: BTreeSet<String> = files("sip-scenarios", "xml")
        .iter()
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    assert!(names.len() >= 60, "{names:?}");
    for name in names {
        assert!(stories.contains(&format!("\"{name}\"")), "no story plays {name}.xml");
        assert!(readme.contains(&format!("`{name}.xml`")), "sip-scenarios/README.md does not describe {name}.xml");
    }
}

#[test]
fn a_tone_is_told_from_the_others_after_both_laws() {
    for law in [Law::Mu, Law::A] {
        for tone in Tone::ALL {
            let samples: Vec<i16> = (7..167).map(|position| law.decode(law.encode(tone.sample(position)))).collect();
            for candidate in Tone::ALL {
                let share = candidate.share(&samples);
                assert!(
                    if candidate == tone { share > 0.95 } else { share < 0.01 },
                    "{law:?} {tone:?} {candidate:?} {share}"
                );
            }
        }
    }
}

#[test]
fn g711_has_its_known_values() {
    // ITU-T G.711 tables 1a and 2a: the ends and the middle of each law.
    let known = [
        (Law::Mu, 0x80, 32124),
        (Law::Mu, 0x00, -32124),
        (Law::Mu, 0xff, 0),
        (Law::A, 0xaa, 32256),
        (Law::A, 0xd5, 8),
        (Law::A, 0x2a, -32256),
    ];
    for (law, octet, sample) in known {
        assert_eq!(law.decode(octet), sample, "{law:?} {octet:#04x}");
    }
}
