//! A recognised score beside our own measure: PESQ (ITU-T P.862, mapped to a listening quality by P.862.1; wide band P.862.2), by the
//! Python package `pesq`, where somebody has it. Owns the way to it; nothing of it is ours, shipped, or needed: its C code is the
//! ITU's reference, which is there for evaluation.
//!
//! `python3 -m venv V && V/bin/pip install pesq==0.0.4 && CALLBRIDGE_PESQ_PYTHON=V/bin/python cargo test --test codecs every_pair -- --nocapture`

use std::path::Path;
use std::process::Command;

use callbridge::audio::codec::Rate;

const SCRIPT: &str = "import sys, numpy, pesq
rate = int(sys.argv[1])
said, heard = (numpy.fromfile(name, dtype='<i2') for name in sys.argv[2:4])
print(pesq.pesq(rate, said, heard, 'nb' if rate == 8000 else 'wb'))";

/// The listening quality of what was heard, 1 to 4.6 (narrow band) or 4.7 (wide band). `None`: nobody has the package here.
pub fn listening_quality(said: &[i16], heard: &[i16], rate: Rate) -> Option<f64> {
    let python = std::env::var_os("CALLBRIDGE_PESQ_PYTHON")?;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, samples: &[i16]| {
        let path = folder.path().join(name);
        std::fs::write(&path, samples.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        path
    };
    let (said, heard) = (write("said", said), write("heard", heard));
    let run = |files: [&Path; 2]| {
        Command::new(&python).args(["-c", SCRIPT, &rate.hertz().to_string()]).args(files).output().unwrap()
    };
    let output = run([&said, &heard]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).trim().parse().unwrap())
}
