//! What benchmarks share: articles, and timing in interleaved rounds.

pub(crate) mod articles;

use std::time::{Duration, Instant};

/// The one of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Times each candidate once a round, in turn, and gives the median of each: a machine whose speed drifts
/// slows all of them alike.
pub(crate) fn medians(rounds: usize, candidates: &mut [(&str, &mut dyn FnMut())]) -> Vec<Duration> {
    let mut times = vec![Vec::with_capacity(rounds); candidates.len()];
    for (_, run) in candidates.iter_mut() {
        run();
    }
    for _ in 0..rounds {
        for (times, (_, run)) in times.iter_mut().zip(candidates.iter_mut()) {
            let start = Instant::now();
            run();
            times.push(start.elapsed());
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort();
            times[times.len() / 2]
        })
        .collect()
}
