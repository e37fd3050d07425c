//! One call of the demo: the request is posted, the ladder is drawn as both phones see it, and the evidence is gathered and
//! written into the folder. Owns that order; the judgement is `verdict`'s.

use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::handset::{Seen, What};
use super::stage::{CUSTOMER, REPRESENTATIVE, Stage};
use super::verdict::{Evidence, Verdict};
use super::{DemoError, ladder};
use crate::audio::wav;
use crate::clock::Mono;
use crate::model::Role;
use crate::phone::PhoneMove;

/// A call of the demo is over by then, or it has failed.
const LONGEST: Duration = Duration::from_secs(60);
/// A representative is free by then, and the call placed.
const PLACED: Duration = Duration::from_secs(30);
/// Between two looks for a call that is about to be placed.
const SOON: Duration = Duration::from_millis(20);
/// How often the call object is read.
const FOLLOW: Duration = Duration::from_millis(250);
/// The files of a call, in the folder.
pub const CUSTOMER_WAV: &str = "customer-heard.wav";
/// What the representative heard.
pub const REPRESENTATIVE_WAV: &str = "representative-heard.wav";
/// The call detail record.
pub const RECORD: &str = "record.json";

/// Where lines of the demo go: the terminal and the page.
pub type Show<'a> = &'a mut (dyn FnMut(String) + Send);

/// Places one call and follows it to its end.
pub async fn play(stage: &mut Stage, show: Show<'_>) -> Result<Verdict, DemoError> {
    while stage.seen.try_recv().is_ok() {}
    stage.line.clear();
    let posted = stage.clock.now().mono;
    let id = post(stage, posted, show).await?;
    let mut evidence = Evidence { posted, ..Evidence::default() };
    follow(stage, &id, &mut evidence, show).await?;
    evidence.order = stage.shop.order_comes_back().await?;
    evidence.delays = stage.line.delays();
    evidence.record = record(stage, &id).await?;
    keep(stage, &evidence)?;
    Ok(evidence.verdict())
}

/// The customer presses the button on the business's page (Fig. 7), and the business's Web server posts the initiation message (Fig. 8).
async fn post(stage: &Stage, posted: Mono, show: Show<'_>) -> Result<String, DemoError> {
    show(ladder::head());
    let request = stage.shop.press_the_button().await?;
    show(ladder::headline(Duration::ZERO, &format!("customer's browser: POST /call-requests, customer {CUSTOMER}")));
    let deadline = Instant::now() + PLACED;
    loop {
        let (_, page) = stage.client.ask(Method::GET, &format!("/v1/calls?reference={request}"), None).await?;
        if let Some(id) = page["calls"][0]["id"].as_str() {
            let at = stage.clock.now().mono - posted;
            let line = format!("business's Web server: POST /v1/calls, representative {REPRESENTATIVE}: call {id}");
            show(ladder::headline(at, &line));
            return Ok(id.to_owned());
        }
        if Instant::now() >= deadline {
            return Err(DemoError::Http("the business's Web server posted no initiation message".to_owned()));
        }
        sleep(SOON).await;
    }
}

/// Draws until the call object says `ended` and every phone that was called has told its story.
async fn follow(stage: &mut Stage, id: &str, evidence: &mut Evidence, show: Show<'_>) -> Result<(), DemoError> {
    let deadline = Instant::now() + LONGEST;
    let mut look = interval(FOLLOW);
    let mut artist =
        Artist { posted: evidence.posted, called: [false; 2], answered: [false; 2], message: false, voice: [false; 2] };
    let mut ended = false;
    loop {
        let told = [evidence.customer.is_some(), evidence.representative.is_some()];
        if ended && artist.called.iter().zip(told).all(|(called, told)| told || !called) {
            return Ok(());
        }
        tokio::select! {
            seen = stage.seen.recv() => {
                let Some(seen) = seen else { return Ok(()) };
                if let Some(line) = artist.draw(&seen) {
                    show(line);
                }
                if let What::Told(story) = seen.what {
                    match seen.role {
                        Role::Customer => evidence.customer = Some(story),
                        Role::Representative | Role::Supervisor => evidence.representative = Some(story),
                    }
                }
            }
            _ = look.tick(), if !ended => {
                let (_, call) = stage.client.ask(Method::GET, &format!("/v1/calls/{id}"), None).await?;
                ended = call["state"] == "ended";
                if evidence.desk.is_none() && artist.answered[1] {
                    evidence.desk = stage.shop.desk_shows().await?;
                    if let Some(line) = &evidence.desk {
                        show(ladder::headline(stage.clock.now().mono - evidence.posted, line));
                    }
                }
                if ended {
                    let at = stage.clock.now().mono - evidence.posted;
                    let outcome = call["outcome"].as_str().unwrap_or("?");
                    show(ladder::headline(at, &format!("callbridge: call ended, outcome {outcome}")));
                }
            }
            () = sleep_until(deadline) => return Ok(()),
        }
    }
}

/// Turns what was seen into lines.
struct Artist {
    posted: Mono,
    called: [bool; 2],
    answered: [bool; 2],
    /// The customer has heard the message's first packet.
    message: bool,
    /// Who has heard the other.
    voice: [bool; 2],
}

impl Artist {
    fn draw(&mut self, seen: &Seen) -> Option<String> {
        let at = seen.at - self.posted;
        let own = usize::from(seen.role == Role::Representative);
        match &seen.what {
            What::Sip { sent, text } => Some(ladder::message(at, seen.role, *sent, text)),
            What::Moved(PhoneMove::Invited) => {
                self.called[own] = true;
                None
            }
            What::Moved(PhoneMove::Answered) => {
                self.answered[own] = true;
                Some(ladder::note(at, seen.role, "lifts the handset"))
            }
            What::Moved(PhoneMove::Hears(None)) if seen.role == Role::Customer && !self.message => {
                self.message = true;
                Some(ladder::note(at, seen.role, "hears \"Please hold while…\""))
            }
            // Before both have answered, a tone is only a vowel of the message or a string of the music.
            What::Moved(PhoneMove::Hears(Some(_))) if self.answered == [true; 2] && !self.voice[own] => {
                self.voice[own] = true;
                let who = if seen.role == Role::Customer { "hears the representative" } else { "hears the customer" };
                Some(ladder::note(at, seen.role, who))
            }
            What::Moved(_) | What::Told(_) => None,
        }
    }
}

/// The call's record, once it is there.
async fn record(stage: &Stage, id: &str) -> Result<Value, DemoError> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let (_, page) = stage.client.ask(Method::GET, "/v1/cdrs", None).await?;
        let records = page["records"].as_array().cloned().unwrap_or_default();
        if let Some(record) = records.into_iter().find(|record| record["call_id"] == id) {
            return Ok(record);
        }
        if Instant::now() >= deadline {
            return Ok(Value::Null);
        }
        tokio::time::sleep(FOLLOW).await;
    }
}

fn keep(stage: &Stage, evidence: &Evidence) -> Result<(), DemoError> {
    for (name, story) in [(CUSTOMER_WAV, &evidence.customer), (REPRESENTATIVE_WAV, &evidence.representative)] {
        let heard = story.as_ref().map_or(&[][..], |story| story.recording.as_slice());
        std::fs::write(stage.folder.join(name), wav::write_mono(heard))?;
    }
    std::fs::write(stage.folder.join(RECORD), format!("{:#}\n", evidence.record))?;
    Ok(())
}
