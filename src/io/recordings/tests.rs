//! What becomes of files: whole, incomplete, failed, cut short; how they read.

use std::time::{Duration, Instant};

use super::*;

fn call(n: u128) -> CallId {
    format!("0192f0c1-2d3e-7a4b-8c5d-{n:012x}").parse().unwrap()
}

fn samples(value: i16) -> Vec<i16> {
    [value, -value].repeat(8_000)
}

fn read(path: &Path) -> (hound::WavSpec, Vec<i16>) {
    let mut reader = hound::WavReader::open(path).unwrap();
    (reader.spec(), reader.samples().collect::<Result<_, _>>().unwrap())
}

#[test]
fn a_recording_grows_under_its_first_name_and_ends_as_a_stereo_wav() {
    let folder = tempfile::tempdir().unwrap();
    let (place, folder) = (RecordingFolder::new(folder.path()), folder.path());
    let recordings = Recordings::start(folder).unwrap();
    let sink = recordings.sink();
    assert_eq!(place.find(call(1)), Found::None);
    sink(Recorded::Samples { call: call(1), samples: samples(700) });
    let began = Instant::now();
    while place.find(call(1)) != Found::Unfinished {
        assert!(began.elapsed() < Duration::from_secs(5));
        std::thread::yield_now();
    }
    sink(Recorded::Samples { call: call(1), samples: samples(900) });
    sink(Recorded::Ended { call: call(1) });
    drop(recordings);
    let Found::Whole(path) = place.find(call(1)) else { panic!("{:?}", place.find(call(1))) };
    let (spec, heard) = read(&path);
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8_000, 16));
    assert_eq!(heard, [samples(700), samples(900)].concat());
}

#[test]
fn a_full_disk_ends_one_recording_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (place, folder) = (RecordingFolder::new(folder.path()), folder.path());
    // Writing there answers ENOSPC.
    std::os::unix::fs::symlink("/dev/full", file::path(folder, call(1), file::PART)).unwrap();
    let recordings = Recordings::start(&folder.join(".")).unwrap();
    std::os::unix::fs::symlink("/dev/full", file::path(folder, call(2), file::PART)).unwrap();
    let sink = recordings.sink();
    for n in [2, 3] {
        sink(Recorded::Samples { call: call(n), samples: samples(700) });
        sink(Recorded::Samples { call: call(n), samples: samples(700) });
        sink(Recorded::Ended { call: call(n) });
    }
    drop(recordings);
    assert!(!matches!(place.find(call(2)), Found::Whole(_)));
    assert!(matches!(place.find(call(3)), Found::Whole(_)));
}

#[test]
fn a_folder_that_cannot_be_made_costs_nothing_but_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "no folder").unwrap();
    let recordings = Recordings::start(&taken).unwrap();
    let sink = recordings.sink();
    sink(Recorded::Samples { call: call(1), samples: samples(700) });
    sink(Recorded::Ended { call: call(1) });
    drop(recordings);
    assert_eq!(RecordingFolder::new(&taken).find(call(1)), Found::None);
}

#[test]
fn what_found_the_queue_full_is_silence_and_the_recording_says_that_it_is_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let (orders, queue) = channel();
    let waiting = AtomicUsize::new(3);
    orders.send(Order::Piece(Recorded::Samples { call: call(1), samples: samples(700) })).unwrap();
    orders.send(Order::Lost { call: call(1), moments: 8_000 }).unwrap();
    orders.send(Order::Piece(Recorded::Ended { call: call(1) })).unwrap();
    drop(orders);
    writer::run(folder.path(), &queue, &waiting);
    let place = RecordingFolder::new(folder.path());
    let Found::Incomplete(path) = place.find(call(1)) else { panic!("{:?}", place.find(call(1))) };
    assert_eq!(read(&path).1, [samples(700), samples(0)].concat());
}

#[test]
fn after_a_kill_the_file_opens_with_every_whole_frame_and_is_called_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let mut recording = file::Recording::create(folder.path(), call(1)).unwrap();
    recording.write(&samples(700)).unwrap();
    drop(recording);
    let part = file::path(folder.path(), call(1), file::PART);
    assert_eq!(read(&part).1, samples(700), "it opens at every moment");
    // Killed between the samples and the sizes, in the middle of a frame.
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).open(&part).unwrap();
    file.write_all(&[1, 0, 2, 0, 3]).unwrap();
    std::fs::write(folder.path().join("notes.part"), "not ours").unwrap();
    drop(Recordings::start(folder.path()).unwrap());
    let place = RecordingFolder::new(folder.path());
    let Found::Incomplete(path) = place.find(call(1)) else { panic!("{:?}", place.find(call(1))) };
    assert_eq!(read(&path).1, [samples(700), vec![1, 2]].concat());
    assert!(folder.path().join("notes.part").exists());
}
