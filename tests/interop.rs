//! Peers that are not ours: Kamailio as the softswitch in front, baresip as a telephone with real audio. One test is one story.
//! Owns the stories; the programs' guards are in tests/interop, the stage is in tests/support.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

#[path = "interop/baresip.rs"]
mod baresip;
#[path = "interop/encrypted.rs"]
mod encrypted;
#[path = "interop/flood.rs"]
mod flood;
#[path = "interop/hostile.rs"]
mod hostile;
#[path = "interop/kamailio.rs"]
mod kamailio;
#[path = "interop/outage.rs"]
mod outage;
#[path = "interop/reported.rs"]
mod reported;
#[path = "interop/scanners.rs"]
mod scanners;
#[path = "interop/softswitch.rs"]
mod softswitch;
#[path = "interop/telephone.rs"]
mod telephone;
