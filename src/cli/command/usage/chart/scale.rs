//! The marks of an axis: 1, 2 or 5 and zeros, in whole numbers.

/// Where an axis ends and how far its marks are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    pub step: u64,
    pub top: u64,
}

/// The most steps that there are.
const STEPS: u64 = 5;

impl Scale {
    /// An axis for values up to `largest`.
    pub fn up_to(largest: u64) -> Self {
        let largest = largest.max(1);
        let mut decade = 1_u64;
        loop {
            for factor in [1, 2, 5] {
                let step = decade.saturating_mul(factor);
                if largest.div_ceil(step) <= STEPS || step == u64::MAX {
                    let top = largest.div_ceil(step).saturating_mul(step);
                    return Self { step, top };
                }
            }
            decade = decade.saturating_mul(10);
        }
    }

    /// Its marks, from nothing up.
    pub fn marks(self) -> impl Iterator<Item = u64> {
        (0..=self.top / self.step).map(move |number| number * self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_hold_the_largest() {
        for (largest, step, top) in [
            (0, 1, 1),
            (1, 1, 1),
            (5, 1, 5),
            (6, 2, 6),
            (11, 5, 15),
            (100, 20, 100),
            (1234, 500, 1500),
            (26_000_000_000, 10_000_000_000, 30_000_000_000),
        ] {
            assert_eq!(Scale::up_to(largest), Scale { step, top }, "{largest}");
        }
        for shift in 0..64 {
            let largest = u64::MAX >> shift;
            let scale = Scale::up_to(largest);
            assert!(scale.top >= largest);
            assert!((2..=6).contains(&scale.marks().count()), "{largest}");
        }
    }
}
