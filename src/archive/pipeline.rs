//! One thread cuts, many work, the caller's thread writes, in the order in which it was cut.
//!
//! Owns threads, order and memory: together, what is cut and not yet written is bounded by bytes. Never knows what it moves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, Mutex, PoisonError};

/// Runs `cut` (a piece and its size in bytes), `work` on `jobs` threads and `write` on this one.
///
/// At most `budget` bytes are under way; a single larger piece goes alone.
///
/// # Errors
/// The first of `write`; nothing is cut or worked on after it.
pub(super) fn run<P: Send, D: Send, E>(
    jobs: usize,
    budget: usize,
    mut cut: impl FnMut() -> Option<(P, usize)> + Send,
    work: impl Fn(u64, P) -> D + Sync,
    mut write: impl FnMut(D) -> Result<(), E>,
) -> Result<(), E> {
    let budget = Budget::new(budget);
    let (pieces, queue) = channel::<(u64, P, usize)>();
    let queue = Mutex::new(queue);
    let (done, finished) = channel::<(u64, D, usize)>();
    std::thread::scope(|scope| {
        let (budget, queue, work) = (&budget, &queue, &work);
        scope.spawn(move || {
            let _guard = budget.close_on_panic();
            let mut number = 0;
            while let Some((piece, size)) = cut() {
                if !budget.take(size) || pieces.send((number, piece, size)).is_err() {
                    return;
                }
                number += 1;
            }
        });
        for _ in 0..jobs.max(1) {
            let done = done.clone();
            scope.spawn(move || {
                let _guard = budget.close_on_panic();
                while let Some((number, piece, size)) = next(queue) {
                    if budget.closed() || done.send((number, work(number, piece), size)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        let mut number = 0;
        for (at, result, size) in finished {
            waiting.insert(at, (result, size));
            while let Some((result, size)) = waiting.remove(&number) {
                if let Err(error) = write(result) {
                    budget.close();
                    return Err(error);
                }
                budget.give(size);
                number += 1;
            }
        }
        Ok(())
    })
}

fn next<T>(queue: &Mutex<Receiver<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Bytes that may be under way.
struct Budget {
    most: usize,
    used: Mutex<usize>,
    freed: Condvar,
    closed: AtomicBool,
}

impl Budget {
    fn new(most: usize) -> Self {
        Self { most, used: Mutex::new(0), freed: Condvar::new(), closed: AtomicBool::new(false) }
    }

    /// Waits for room; false: the run ends.
    fn take(&self, size: usize) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > 0 && *used + size > self.most && !self.closed() {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used += size;
        !self.closed()
    }

    fn give(&self, size: usize) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) -= size;
        self.freed.notify_one();
    }

    fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close(&self) {
        let _used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        self.freed.notify_all();
    }

    /// A thread that dies must not leave the others waiting for it.
    fn close_on_panic(&self) -> impl Drop {
        struct Guard<'b>(&'b Budget);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    self.0.close();
                }
            }
        }
        Guard(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn results_come_in_the_order_of_the_pieces() {
        let mut pieces = (0..200_u64).map(|number| (number, 1));
        let mut seen = Vec::new();
        let work = |number: u64, piece: u64| {
            // Later pieces are often done before earlier ones.
            (0..(200 - piece) * 50).fold(number, |sum, step| std::hint::black_box(sum ^ step ^ step))
        };
        run(
            3,
            20,
            || pieces.next(),
            work,
            |done| {
                seen.push(done);
                Ok::<_, ()>(())
            },
        )
        .unwrap();
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_is_under_way_than_the_budget_and_a_giant_goes_alone() {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut sizes = [5, 5, 5, 500, 5, 5].into_iter();
        let giants = AtomicUsize::new(0);
        let cut = || sizes.next().map(|size| (size, size));
        let work = |_, size: usize| {
            let now = under_way.fetch_add(size, Ordering::SeqCst) + size;
            most.fetch_max(now, Ordering::SeqCst);
            if size == 500 {
                giants.store(now, Ordering::SeqCst);
            }
            size
        };
        run(2, 10, cut, work, |size| {
            under_way.fetch_sub(size, Ordering::SeqCst);
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!((most.into_inner(), giants.into_inner()), (500, 500));
    }

    #[test]
    fn an_error_ends_the_run_though_the_input_never_ends() {
        let mut written = 0;
        let ended = run(
            2,
            4,
            || Some(((), 1)),
            |number, ()| number,
            |number| {
                written += 1;
                if number == 7 { Err("full") } else { Ok(()) }
            },
        );
        assert_eq!((ended, written), (Err("full"), 8));
    }
}
