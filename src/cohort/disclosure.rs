//! What of a count may leave the node. Counts under the threshold are told apart neither from each other nor from zero;
//! others are rounded.
//!
//! Not guaranteed: nothing here stops an asker from differencing many questions. That takes noise and a budget, which
//! this release does not have, and therefore peers are answered in the demonstration only.

/// Thresholds and rounding never go below this, whatever the configuration says.
pub const FLOOR: u64 = 10;

/// A count as it may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    /// Rounded.
    Count(u64),
    /// Under the threshold; zero looks the same.
    TooFew,
}

impl Protected {
    /// `ok` or `too-few`.
    pub fn status(self) -> &'static str {
        match self {
            Self::Count(_) => "ok",
            Self::TooFew => "too-few",
        }
    }

    /// The rounded count, if it may be told.
    pub fn count(self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(count),
            Self::TooFew => None,
        }
    }
}

/// Protects an exact count: too few under `threshold`, otherwise rounded half up to a multiple of `rounding`.
pub fn protect(count: u64, threshold: u64, rounding: u64) -> Protected {
    let (threshold, rounding) = (threshold.max(FLOOR), rounding.max(FLOOR));
    if count < threshold {
        return Protected::TooFew;
    }
    let below = count - count % rounding;
    let up = count % rounding >= rounding.div_ceil(2);
    let rounded = if up { below.checked_add(rounding).unwrap_or(below) } else { below };
    // A coarse rounding must not turn a permitted count into one that looks forbidden.
    if rounded < threshold.min(rounding) { Protected::TooFew } else { Protected::Count(rounded) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_threshold_and_the_rounding_as_told() {
        for (count, told) in [(0, None), (9, None), (10, Some(10)), (14, Some(10)), (15, Some(20)), (24, Some(20))] {
            assert_eq!(protect(count, 10, 10).count(), told, "{count}");
        }
        assert_eq!(protect(5, 0, 1), Protected::TooFew, "the floor holds against a careless configuration");
        assert_eq!(protect(30, 10, 100), Protected::TooFew);
    }

    proptest! {
        #[test]
        fn fewer_than_ten_are_never_told(count: u64, threshold: u64, rounding: u64) {
            match protect(count, threshold, rounding) {
                Protected::Count(told) => {
                    prop_assert!(count >= FLOOR && told >= FLOOR);
                    prop_assert!(told.abs_diff(count) <= rounding.max(FLOOR));
                    prop_assert_eq!(told % rounding.max(FLOOR), 0);
                }
                Protected::TooFew => {}
            }
        }

        #[test]
        fn small_counts_look_alike(one in 0..FLOOR, other in 0..FLOOR, threshold: u64, rounding: u64) {
            prop_assert_eq!(protect(one, threshold, rounding), protect(other, threshold, rounding));
        }
    }
}
