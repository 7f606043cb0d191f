//! Many short rows of equal width, without a block of memory for each.

use alloc::vec::Vec;

/// Rows of one block. A block that is full is never moved again, so a large table costs no second copy while it grows.
const BLOCK_ROWS: usize = 256;

/// Rows of `width` cells.
pub(super) struct Table<T> {
    width: usize,
    len: usize,
    blocks: Vec<Vec<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { width: 0, len: 0, blocks: Vec::new() }
    }
}

impl<T: Default> Table<T> {
    /// Appends a row of empty cells.
    pub(super) fn push(&mut self) {
        if self.len.is_multiple_of(BLOCK_ROWS) {
            // The first one may stay small.
            let cells = if self.len > 0 { self.width.saturating_mul(BLOCK_ROWS) } else { 0 };
            self.blocks.push(Vec::with_capacity(cells));
        }
        self.len = self.len.saturating_add(1);
        let width = self.width;
        if let Some(block) = self.blocks.last_mut() {
            block.extend(core::iter::repeat_with(T::default).take(width));
        }
    }

    /// The cells of a row; none if there is no such row.
    pub(super) fn get_mut(&mut self, row: usize) -> &mut [T] {
        let start = row.rem_euclid(BLOCK_ROWS).saturating_mul(self.width);
        let block = self.blocks.get_mut(row.div_euclid(BLOCK_ROWS));
        let cells = block.and_then(|block| block.get_mut(start..start.saturating_add(self.width)));
        cells.unwrap_or_default()
    }

    /// Makes all rows at least this wide.
    pub(super) fn widen(&mut self, width: usize) {
        if width <= self.width {
            return;
        }
        let before = self.width;
        self.width = width;
        for (at, block) in self.blocks.iter_mut().enumerate() {
            let rows = self.len.saturating_sub(at.saturating_mul(BLOCK_ROWS)).min(BLOCK_ROWS);
            let mut cells = core::mem::take(block).into_iter();
            block.reserve_exact(rows.saturating_mul(width));
            for _ in 0..rows {
                block.extend(cells.by_ref().take(before));
                block
                    .extend(core::iter::repeat_with(T::default).take(width.saturating_sub(before)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_cells_when_the_table_grows_and_widens() {
        let mut table: Table<usize> = Table::default();
        table.push();
        assert!(table.get_mut(0).is_empty());
        table.widen(2);
        for row in 0..1_000 {
            table.push();
            table.get_mut(row)[1] = row;
        }
        table.widen(3);
        table.push();
        for row in 0..1_000 {
            assert_eq!(table.get_mut(row), [0, row, 0]);
        }
        assert_eq!(table.get_mut(1_001), [0, 0, 0]);
        assert!(table.get_mut(1_002).is_empty());
    }
}
