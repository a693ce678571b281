//! How long it takes to read a request, beside what reads the same text without us.
//!
//! `cargo bench -p chaperone-inspection --bench inspection`. As ratios, in wasm too:
//! `node wasm-filter/inspection/benches/ratios.mjs`.

#[expect(dead_code, reason = "the other readers are named in `ratios.rs`")]
mod cases;

use divan::Bencher;
use divan::counter::BytesCount;

use self::cases::{Beside, Case};

fn main() {
    divan::main();
}

#[divan::bench(args = cases::all())]
fn inspection(bencher: Bencher<'_, '_>, case: &Case) {
    let inspector = cases::inspector();
    bencher.counter(BytesCount::new(case.body.len())).bench(|| case.run(&inspector));
}

#[divan::bench(args = cases::all())]
fn beside(bencher: Bencher<'_, '_>, case: &Case) {
    let counted = bencher.counter(BytesCount::new(case.body.len()));
    counted.bench(|| case.beside.as_ref().map(Beside::run));
}
