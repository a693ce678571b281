//! Ports for programs that must be told theirs before they start.

use std::net::TcpListener;

use uuid::Uuid;

use crate::failure::{Failure, Result};

/// Below the range from which systems take ports for outgoing connections (32768 on
/// Linux, 49152 elsewhere): none of these is taken by chance between choosing it
/// and listening on it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that nobody else was listening on, held until [`HeldPort::release`].
#[derive(Debug)]
pub struct HeldPort {
    listener: TcpListener,
    port: u16,
}

impl HeldPort {
    /// Any port that is free. Where the search begins is random, so that test
    /// programs that run side by side do not follow each other.
    pub fn free() -> Result<Self> {
        let random = Uuid::now_v7().as_u128() % u128::from(COUNT);
        let start = u16::try_from(random).unwrap_or(0);
        (0..COUNT)
            .map(|step| FIRST + (start + step) % COUNT)
            .find_map(|port| Self::named(port).ok())
            .ok_or_else(|| Failure::unexpected("looking for a free port", "all are taken"))
    }

    /// This port, if it is free.
    pub fn named(port: u16) -> Result<Self> {
        let listener =
            TcpListener::bind(("127.0.0.1", port)).map_err(|_| Failure::PortTaken { port })?;
        Ok(Self { listener, port })
    }

    /// Its number, while it is held.
    pub const fn number(&self) -> u16 {
        self.port
    }

    /// Lets go of it, for the program that is about to listen on it.
    pub fn release(self) -> u16 {
        drop(self.listener);
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_port_is_taken_until_it_is_released() {
        let held = HeldPort::free().unwrap();
        let port = held.number();
        assert!(matches!(HeldPort::named(port), Err(Failure::PortTaken { .. })));
        assert_eq!(held.release(), port);
        assert!(HeldPort::named(port).is_ok());
    }
}
