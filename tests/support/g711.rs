//! G.711 by its definition (ITU-T G.711: segments and steps), sample by sample; independent of the crate's tables.

/// Which companding law.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    /// PCMU, payload type 0.
    Mu,
    /// PCMA, payload type 8.
    A,
}

impl Law {
    /// RTP payload type (RFC 3551).
    pub fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    /// Its name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        }
    }

    /// The law of a payload type.
    pub fn of_payload_type(payload_type: u8) -> Option<Law> {
        [Law::Mu, Law::A].into_iter().find(|law| law.payload_type() == payload_type)
    }

    /// One octet to a 16-bit sample.
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Law::Mu => {
                let bits = !octet;
                let magnitude = ((i32::from(bits & 0x0f) << 3) + 0x84) << ((bits >> 4) & 7);
                sign(magnitude - 0x84, bits & 0x80 != 0)
            }
            Law::A => {
                let bits = octet ^ 0x55;
                let step = i32::from(bits & 0x0f) * 2 + 1;
                let magnitude = match (bits >> 4) & 7 {
                    0 => step * 8,
                    segment => ((step + 32) * 8) << (segment - 1),
                };
                sign(magnitude, bits & 0x80 == 0)
            }
        }
    }

    /// The octet whose value is nearest, found by trying them all: slow and beyond doubt.
    pub fn encode(self, sample: i16) -> u8 {
        (0..=255u8).min_by_key(|octet| (i32::from(self.decode(*octet)) - i32::from(sample)).abs()).unwrap_or(0)
    }
}

fn sign(magnitude: i32, negative: bool) -> i16 {
    i16::try_from(if negative { -magnitude } else { magnitude }).unwrap_or(i16::MAX)
}
