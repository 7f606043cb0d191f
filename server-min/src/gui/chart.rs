//! Charts as pages have them: drawn here, in numbers only, so that they need no script.

use super::time::Moment;

/// The drawing's size, in the units of its `viewBox`.
const WIDTH: u64 = 480;
const HEIGHT: u64 = 96;
/// Between two bars.
const GAP: u64 = 2;

/// Bars over equal spans of time, oldest first.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// What the largest bar stands for.
    pub(super) most: u64,
    pub(super) latest: u64,
    /// Of all bars; means nothing where they are no counts of happenings.
    pub(super) sum: u64,
    /// Whether [`Chart::sum`] means something.
    pub(super) adds_up: bool,
    pub(super) bars: Vec<Bar>,
    pub(super) from: Moment,
    pub(super) until: Moment,
}

/// One bar.
pub(super) struct Bar {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) value: u64,
    pub(super) at: Moment,
}

impl Chart {
    /// `values` with the moments at which their spans begin.
    pub(super) fn of(
        title: &'static str,
        adds_up: bool,
        values: &[(u64, u64)],
        until: u64,
    ) -> Self {
        let most = values.iter().map(|(_, value)| *value).max().unwrap_or_default();
        let count = u64::try_from(values.len()).unwrap_or(u64::MAX).max(1);
        let step = WIDTH.checked_div(count).unwrap_or(1).max(1);
        let bar = |(number, (at, value)): (u64, &(u64, u64))| {
            let height = value.saturating_mul(HEIGHT).checked_div(most).unwrap_or_default();
            // What is not nothing is seen.
            let height = if *value > 0 { height.max(1) } else { 0 };
            Bar {
                x: number.saturating_mul(step),
                y: HEIGHT.saturating_sub(height),
                width: step.saturating_sub(GAP).max(1),
                height,
                value: *value,
                at: Moment(*at),
            }
        };
        Self {
            title,
            most,
            latest: values.last().map_or(0, |(_, value)| *value),
            sum: values.iter().map(|(_, value)| *value).fold(0, u64::saturating_add),
            adds_up,
            bars: (0..).zip(values).map(bar).collect(),
            from: Moment(values.first().map_or(0, |(at, _)| *at)),
            until: Moment(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_bar_fills_the_chart_and_nothing_is_no_bar() {
        let chart = Chart::of("x", true, &[(1, 0), (2, 50), (3, 100), (4, 1)], 5);
        let heights: Vec<u64> = chart.bars.iter().map(|bar| bar.height).collect();
        assert_eq!(heights, [0, 48, 96, 1]);
        assert_eq!((chart.most, chart.latest, chart.sum), (100, 1, 151));
        assert!(chart.bars.iter().all(|bar| bar.x + bar.width <= WIDTH));
        assert!(Chart::of("x", true, &[(1, 0)], 2).bars[0].height == 0);
    }
}
