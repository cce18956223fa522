//! Rounds in which the stores take turns, and what they add up to.

use anyhow::Result;
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// How long a run measures.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) block: Duration,
    pub(crate) rows_many: usize,
}

/// What one store did in its part of a round.
pub(crate) struct Block {
    pub(crate) ops: u64,
    pub(crate) elapsed: Duration,
    /// Processor time of the whole process, so that work put off to other threads shows.
    pub(crate) cpu: Duration,
    /// Nanoseconds of each operation, where they were taken.
    pub(crate) latency: Option<Histogram<u64>>,
}

impl Block {
    /// Seconds per operation; with several threads, per operation of any of them.
    pub(crate) fn cost(&self) -> f64 {
        self.elapsed.as_secs_f64() / self.ops.max(1) as f64
    }

    pub(crate) fn cpu_cost(&self) -> f64 {
        self.cpu.as_secs_f64() / self.ops.max(1) as f64
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Runs `work`, which answers how many operations it did.
pub(crate) fn timed(work: impl FnOnce() -> Result<u64>) -> Result<Block> {
    let (start, cpu) = (Instant::now(), cpu_time());
    let ops = work()?;
    Ok(Block { ops, elapsed: start.elapsed(), cpu: cpu_time() - cpu, latency: None })
}

/// Repeats a fast operation for that long, looking at the clock seldom.
pub(crate) fn repeat(length: Duration, mut operation: impl FnMut() -> Result<()>) -> Result<Block> {
    const BETWEEN_LOOKS: u64 = 32;
    timed(|| {
        let start = Instant::now();
        let mut ops = 0;
        while start.elapsed() < length {
            for _ in 0..BETWEEN_LOOKS {
                operation()?;
            }
            ops += BETWEEN_LOOKS;
        }
        Ok(ops)
    })
}

/// Repeats an operation for that long and keeps how long each took.
pub(crate) fn repeat_each(length: Duration, mut operation: impl FnMut() -> Result<()>) -> Result<Block> {
    let mut latency = Histogram::new(3)?;
    let mut block = timed(|| {
        let start = Instant::now();
        let mut before = start;
        let mut ops = 0;
        while before - start < length {
            operation()?;
            let now = Instant::now();
            latency.record((now - before).as_nanos() as u64)?;
            before = now;
            ops += 1;
        }
        Ok(ops)
    })?;
    block.latency = Some(latency);
    Ok(block)
}

/// The blocks of one store, one for each round.
pub(crate) struct Series(pub(crate) Vec<Block>);

impl Series {
    /// Median seconds per operation.
    pub(crate) fn cost(&self) -> f64 {
        median(self.0.iter().map(Block::cost))
    }

    pub(crate) fn cpu_cost(&self) -> f64 {
        median(self.0.iter().map(Block::cpu_cost))
    }

    /// The median of the rounds' ratios of costs.
    pub(crate) fn ratio(&self, to: &Self) -> f64 {
        median(self.0.iter().zip(&to.0).map(|(this, to)| this.cost() / to.cost()))
    }

    /// The same of the processor time, which others on the machine disturb less than the time that passes.
    pub(crate) fn cpu_ratio(&self, to: &Self) -> f64 {
        median(self.0.iter().zip(&to.0).map(|(this, to)| this.cpu_cost() / to.cpu_cost()))
    }

    /// All rounds' latencies together.
    pub(crate) fn latency(&self) -> Option<Histogram<u64>> {
        let mut all = Histogram::new(3).ok()?;
        for block in &self.0 {
            all.add(block.latency.as_ref()?).ok()?;
        }
        Some(all)
    }

    /// The median over the rounds of something of their latencies, in seconds.
    pub(crate) fn latency_median(&self, of: impl Fn(&Histogram<u64>) -> u64) -> f64 {
        median(
            self.0.iter().filter_map(|block| block.latency.as_ref()).map(|latency| of(latency) as f64 / 1e9),
        )
    }
}

/// Lets `subjects` take turns; who begins changes from round to round. The round before the first is not counted.
pub(crate) fn alternate(
    rounds: usize,
    subjects: usize,
    mut block: impl FnMut(usize) -> Result<Block>,
) -> Result<Vec<Series>> {
    let mut series: Vec<_> = (0..subjects).map(|_| Series(Vec::new())).collect();
    for round in 0..=rounds {
        for turn in 0..subjects {
            let subject = (turn + round) % subjects;
            let block = block(subject)?;
            if round > 0 {
                series[subject].0.push(block);
            }
        }
    }
    Ok(series)
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_one_block_a_round_and_beginners_change() {
        let mut order = Vec::new();
        let series = alternate(2, 2, |subject| {
            order.push(subject);
            Ok(Block { ops: 2, elapsed: Duration::from_secs(1), cpu: Duration::ZERO, latency: None })
        })
        .unwrap();
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
        assert_eq!((series[0].0.len(), series[1].cost(), series[0].ratio(&series[1])), (2, 0.5, 1.0));
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
    }
}
