//! What becomes of files: whole, incomplete, failed, cut short; how they read.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use http_body_util::BodyExt;

use super::keep::{AROUND, BETWEEN, Keeper, NAMES};
use super::*;

fn call(n: u128) -> CallId {
    format!("0192f0c1-2d3e-7a4b-8c5d-{n:012x}").parse().unwrap()
}

fn start(folder: &Path) -> Recordings {
    Recordings::start(Talks::new(folder), Arc::new(|_| {})).unwrap()
}

/// Encrypted with this key.
fn sealed(folder: &Path, key: u8) -> Talks {
    Talks { key: Some(RecordingKey::new([key; 32])), ..Talks::new(folder) }
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
    let (place, folder) = (Talks::new(folder.path()), folder.path());
    let recordings = start(folder);
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
    let (place, folder) = (Talks::new(folder.path()), folder.path());
    // Writing there answers ENOSPC.
    std::os::unix::fs::symlink("/dev/full", file::path(folder, call(1), Form::Plain.part())).unwrap();
    let recordings = start(&folder.join("."));
    std::os::unix::fs::symlink("/dev/full", file::path(folder, call(2), Form::Plain.part())).unwrap();
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
    let recordings = start(&taken);
    let sink = recordings.sink();
    sink(Recorded::Samples { call: call(1), samples: samples(700) });
    sink(Recorded::Ended { call: call(1) });
    drop(recordings);
    assert_eq!(Talks::new(&taken).find(call(1)), Found::None);
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
    let place = Talks::new(folder.path());
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let failed: FailureSink = Arc::new(move |call| tell.lock().unwrap().push(call));
    writer::run(&place, &queue, &waiting, &failed);
    assert_eq!(*told.lock().unwrap(), [call(1)], "said once");
    let Found::Incomplete(path) = place.find(call(1)) else { panic!("{:?}", place.find(call(1))) };
    assert_eq!(read(&path).1, [samples(700), samples(0)].concat());
}

#[test]
fn after_a_kill_the_file_opens_with_every_whole_frame_and_is_called_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let mut recording = file::Recording::create(folder.path(), call(1), None).unwrap();
    recording.write(&samples(700)).unwrap();
    drop(recording);
    let part = file::path(folder.path(), call(1), Form::Plain.part());
    assert_eq!(read(&part).1, samples(700), "it opens at every moment");
    // Killed between the samples and the sizes, in the middle of a frame.
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).open(&part).unwrap();
    file.write_all(&[1, 0, 2, 0, 3]).unwrap();
    std::fs::write(folder.path().join("notes.part"), "not ours").unwrap();
    drop(start(folder.path()));
    let place = Talks::new(folder.path());
    let Found::Incomplete(path) = place.find(call(1)) else { panic!("{:?}", place.find(call(1))) };
    assert_eq!(read(&path).1, [samples(700), vec![1, 2]].concat());
    assert!(folder.path().join("notes.part").exists());
}

/// A recording of some seconds and a piece, as it is kept.
fn keep(talks: &Talks, seconds: &[i16], ended: bool) -> Vec<i16> {
    let mut recording = file::Recording::create(&talks.folder, call(1), talks.key.as_ref()).unwrap();
    let mut all: Vec<i16> = seconds.iter().flat_map(|value| samples(*value)).collect();
    all.extend([5, -5, 6]);
    all.push(-6);
    recording.write(&all).unwrap();
    let form = recording.form();
    if ended {
        recording.finish(true).unwrap();
        file::rename(&talks.folder, call(1), form, form.whole()).unwrap();
    }
    all
}

/// What is given out: its samples, and whether something is missing.
async fn given(talks: &Talks) -> Result<(Vec<i16>, bool), Unreadable> {
    let Opened::Here { body, incomplete } = talks.open(call(1)).await? else { panic!("nothing is there") };
    let length = body.len();
    let bytes = body.collect().await?.to_bytes();
    assert_eq!(bytes.len() as u64, length, "as long as was said");
    let mut reader = hound::WavReader::new(std::io::Cursor::new(bytes)).unwrap();
    Ok((reader.samples().collect::<Result<_, _>>().unwrap(), incomplete))
}

#[tokio::test]
async fn an_encrypted_recording_is_given_out_as_it_was_spoken_and_shows_nothing_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let talks = sealed(folder.path(), 7);
    for seconds in [&[][..], &[700], &[700, 900, 800]] {
        let said = keep(&talks, seconds, true);
        assert_eq!(given(&talks).await.unwrap(), (said, false));
        let Found::Whole(path) = talks.find(call(1)) else { panic!("not found") };
        let kept = std::fs::read(path).unwrap();
        let spoken: Vec<u8> = [700i16, -700].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert!(!kept.windows(4).any(|bytes| bytes == spoken));
    }
}

#[tokio::test]
async fn a_wrong_key_or_none_is_told_before_anything_is_given_out() {
    let folder = tempfile::tempdir().unwrap();
    keep(&sealed(folder.path(), 7), &[700], true);
    let wrong = given(&sealed(folder.path(), 8)).await.unwrap_err();
    assert!(matches!(wrong, Unreadable::Sealed(SealError::WrongKey)), "{wrong}");
    let none = given(&Talks::new(folder.path())).await.unwrap_err();
    assert!(matches!(none, Unreadable::Sealed(SealError::NoKey)), "{none}");
}

#[tokio::test]
async fn what_was_kept_in_clear_is_still_given_out_once_there_is_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let said = keep(&Talks::new(folder.path()), &[700], true);
    assert_eq!(given(&sealed(folder.path(), 7)).await.unwrap(), (said, false));
}

#[tokio::test]
async fn an_encrypted_recording_that_was_cut_gives_every_whole_second_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let talks = sealed(folder.path(), 7);
    keep(&talks, &[700, 900], false);
    let part = file::path(folder.path(), call(1), Form::Sealed.part());
    let bytes = std::fs::metadata(&part).unwrap().len();
    // Killed in the middle of the second chunk.
    std::fs::OpenOptions::new().write(true).open(&part).unwrap().set_len(bytes - 1000).unwrap();
    drop(Recordings::start(talks.clone(), Arc::new(|_| {})).unwrap());
    assert!(matches!(talks.find(call(1)), Found::Incomplete(_)));
    assert_eq!(given(&talks).await.unwrap(), (samples(700), true));
    // A whole one whose end somebody took away is told, whatever its name says.
    std::fs::remove_file(file::path(folder.path(), call(1), Form::Sealed.incomplete())).unwrap();
    let said = keep(&talks, &[700], true);
    let Found::Whole(path) = talks.find(call(1)) else { panic!("not found") };
    let bytes = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes - 16).unwrap();
    assert_eq!(given(&talks).await.unwrap(), (said, true));
}

#[tokio::test]
async fn a_changed_chunk_or_another_calls_file_is_given_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let talks = sealed(folder.path(), 7);
    keep(&talks, &[700, 900], true);
    let Found::Whole(path) = talks.find(call(1)) else { panic!("not found") };
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let Opened::Here { body, .. } = talks.open(call(1)).await.unwrap() else { panic!("not found") };
    assert!(body.collect().await.is_err(), "the body breaks off");
    bytes[100] ^= 1;
    std::fs::write(file::path(folder.path(), call(2), Form::Sealed.whole()), &bytes).unwrap();
    let Opened::Here { body, .. } = talks.open(call(2)).await.unwrap() else { panic!("not found") };
    assert!(body.collect().await.is_err());
}

#[test]
fn the_writer_encrypts_and_ends_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let talks = sealed(folder.path(), 7);
    let recordings = Recordings::start(talks.clone(), Arc::new(|_| {})).unwrap();
    let sink = recordings.sink();
    sink(Recorded::Samples { call: call(1), samples: samples(700) });
    sink(Recorded::Samples { call: call(1), samples: samples(900)[..100].to_vec() });
    sink(Recorded::Ended { call: call(1) });
    drop(recordings);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let heard = runtime.block_on(given(&talks)).unwrap();
    assert_eq!(heard, ([samples(700), samples(900)[..100].to_vec()].concat(), false));
}

#[test]
fn old_recordings_are_removed_some_at_a_time_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(86_400);
    let make = |name: &str, age: Duration| {
        let file = std::fs::File::create(folder.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    for n in 0..600 {
        make(&format!("{}.wav", call(n)), day * 31);
    }
    for (n, ending) in [(601, "incomplete.wav"), (602, "sealed"), (603, "incomplete.sealed")] {
        make(&format!("{}.{ending}", call(n)), day * 31);
    }
    let kept = [
        format!("{}.wav", call(700)),
        format!("{}.part", call(701)),
        format!("{}.sealed.part", call(702)),
        "notes.wav".to_owned(),
        format!("{}.txt", call(703)),
    ];
    make(&kept[0], day * 29);
    kept[1..].iter().for_each(|name| make(name, day * 100));
    let mut keeper = Keeper::new(folder.path(), day * 30);
    let count = || std::fs::read_dir(folder.path()).unwrap().count();
    let before = count();
    assert_eq!(keeper.pass(SystemTime::now()), BETWEEN);
    assert!(before - count() <= NAMES, "bounded work");
    let mut passes = 1;
    while keeper.pass(SystemTime::now()) != AROUND {
        passes += 1;
        assert!(passes < 10);
    }
    let mut left: Vec<String> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    let mut expected = kept.to_vec();
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn the_thread_removes_old_ones_while_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join(format!("{}.wav", call(9)));
    std::fs::File::create(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let talks = Talks { keep: Some(Duration::from_secs(86_400)), ..Talks::new(folder.path()) };
    let recordings = Recordings::start(talks.clone(), Arc::new(|_| {})).unwrap();
    let sink = recordings.sink();
    sink(Recorded::Samples { call: call(1), samples: samples(700) });
    sink(Recorded::Ended { call: call(1) });
    let began = Instant::now();
    while old.exists() || !matches!(talks.find(call(1)), Found::Whole(_)) {
        assert!(began.elapsed() < Duration::from_secs(5));
        std::thread::yield_now();
    }
}

/// A disk of a few seconds, where the machine lets us make one (mount needs root); it goes when it is dropped.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount() -> Option<TinyDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then(|| TinyDisk(folder))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _gone = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_fills_up_costs_the_recording_from_there_on_and_keeps_what_was_written() {
    // Without root `/dev/full` has to do: a_full_disk_ends_one_recording_and_no_other.
    let Some(disk) = TinyDisk::mount() else { return a_full_disk_ends_one_recording_and_no_other() };
    for talks in [Talks::new(disk.0.path()), sealed(disk.0.path(), 7)] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let recordings =
            Recordings::start(talks.clone(), Arc::new(move |call| tell.lock().unwrap().push(call))).unwrap();
        let sink = recordings.sink();
        for _ in 0..30 {
            sink(Recorded::Samples { call: call(1), samples: samples(700) });
        }
        sink(Recorded::Ended { call: call(1) });
        drop(recordings);
        assert_eq!(*told.lock().unwrap(), [call(1)]);
        let Found::Incomplete(path) = talks.find(call(1)) else { panic!("{:?}", talks.find(call(1))) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (heard, incomplete) = runtime.block_on(given(&talks)).unwrap();
        assert!(incomplete && heard.len() >= 2 * samples(700).len(), "{}", heard.len());
        assert!(heard.chunks_exact(16_000).all(|second| second == samples(700)));
        std::fs::remove_file(path).unwrap();
    }
}
