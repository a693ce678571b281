//! The same requests as `inspection.rs`, measured so simply that it runs in wasm too:
//! `ratios.mjs` runs both and prints the ratios.
//!
//! A line for each case, its columns separated by tabs: name, bytes, nanoseconds of one
//! reading, why it was not read, the other reader, its nanoseconds.

mod cases;

use std::time::{Duration, Instant};

/// How long a case is measured, and as long the other reader.
const MEASURED: Duration = Duration::from_millis(1_500);
/// The shortest span that is timed: clocks in wasm are coarse.
const SPAN: Duration = Duration::from_millis(2);

fn main() {
    let inspector = cases::inspector();
    for case in cases::all() {
        let facts = case.run(&inspector);
        let unread = facts.unparsed.map_or("", |unparsed| unparsed.code.name());
        let own = nanoseconds(|| drop(case.run(&inspector)));
        let (beside, other) = match &case.beside {
            Some(beside) => (beside.name, nanoseconds(|| beside.run())),
            None => ("", 0.0),
        };
        let size = case.body.len();
        println!("{case}\t{size}\t{own:.0}\t{unread}\t{beside}\t{other:.0}");
    }
}

/// The time of one run, in nanoseconds: the shortest that was seen, since what else the
/// machine does only adds to it.
fn nanoseconds(run: impl Fn()) -> f64 {
    let mut runs = 1_u32;
    let span = |runs: u32| {
        let start = Instant::now();
        (0..runs).for_each(|_| run());
        start.elapsed()
    };
    while span(runs) < SPAN {
        runs = runs.saturating_mul(2);
    }
    let mut shortest = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < MEASURED {
        shortest = shortest.min(span(runs));
    }
    shortest.as_secs_f64() * 1e9 / f64::from(runs)
}
