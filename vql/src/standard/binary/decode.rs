//! Bytes by a profile to values.
//!
//! Everything is decoded at once, so damaged or hostile files are bounded by the number of values, by nesting and by the
//! steps of the query. Fields that a lambda names are decoded before it is called.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::profile::{Amount, Field, PLACES, Profile, STRING_LEN, Struct, Type};
use crate::accessor::Reader;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Closure, Scope, truth};
use crate::limits::{BINARY_DEPTH_MAX, BINARY_STRING_LEN_MAX, BINARY_VALUES_MAX, READ_LEN};
use crate::value::operators::{number, truncated};
use crate::value::{RowBuilder, Text, Time, Value};

/// Decodes one file.
pub(super) struct Decoder<'a> {
    profile: &'a Profile,
    reader: Box<dyn Reader>,
    scope: Scope,
    /// What was read last, and where it stands.
    window: Vec<u8>,
    window_at: u64,
    values: u32,
}

/// A decoded value.
struct Decoded {
    value: Value,
    /// The same for lambdas: with the places of structures.
    inner: Value,
    /// Bytes that it took.
    len: i64,
}

impl Decoded {
    fn new(value: impl Into<Value>, len: i64) -> Self {
        let value = value.into();
        Self { inner: value.clone(), value, len }
    }
}

/// A structure that is being decoded.
struct Frame<'a> {
    layout: &'a Struct,
    start: i64,
    parent: &'a Value,
    fields: Vec<State>,
    size: Option<i64>,
    depth: u16,
}

enum State {
    Waiting,
    Busy,
    Done(Decoded),
}

impl<'a> Decoder<'a> {
    /// A decoder whose lambdas see `scope`.
    pub(super) const fn new(profile: &'a Profile, reader: Box<dyn Reader>, scope: Scope) -> Self {
        Self { profile, reader, scope, window: Vec::new(), window_at: 0, values: 0 }
    }

    /// The value at an offset of the file.
    pub(super) fn top(&mut self, cx: &mut Context, kind: &Type, at: i64) -> Result<Value, Fault> {
        Ok(self.decode(cx, kind, at, &Place::Outside)?.value)
    }

    fn decode(
        &mut self,
        cx: &mut Context,
        kind: &Type,
        at: i64,
        place: &Place<'_>,
    ) -> Result<Decoded, Fault> {
        cx.charge(1)?;
        self.values = self.values.saturating_add(1);
        if self.values > BINARY_VALUES_MAX {
            return Err(Fault::error(format!("more than {BINARY_VALUES_MAX} values")));
        }
        match kind {
            Type::Int { .. } | Type::Float { .. } | Type::Leb128 | Type::FatTimestamp => {
                self.number(kind, at)
            }
            Type::String { length, term, wide } => {
                let len = match length {
                    None => STRING_LEN,
                    Some(length) => whole(&self.amount(cx, length, place)?),
                };
                self.string(at, len, term, *wide)
            }
            Type::Value(amount) => Ok(Decoded::new(self.amount(cx, amount, place)?, 0)),
            Type::Array { of, count, max, sentinel } => {
                let count = whole(&self.amount(cx, count, place)?);
                let count = usize::try_from(count).unwrap_or(0).min(*max);
                self.array(cx, of, at, count, sentinel.as_deref(), place)
            }
            Type::Union { selector, choices } => {
                let selected = self.amount(cx, selector, place)?;
                let key = super::super::text::shown(&selected).into_owned();
                match choices.iter().find(|(choice, _)| **choice == *key) {
                    Some((_, kind)) => self.decode(cx, kind, at, place),
                    None => Ok(Decoded::new(Value::Null, 0)),
                }
            }
            Type::Pointer(of) => {
                let target = self.int(at, 8, false, false)?;
                let pointed = self.decode(cx, of, target, place)?;
                Ok(Decoded { len: 8, ..pointed })
            }
            Type::Profile { of, offset } => {
                let target = whole(&self.amount(cx, offset, place)?);
                let other = self.decode(cx, of, target, place)?;
                Ok(Decoded { len: 0, ..other })
            }
            Type::Struct(name) => self.structure(cx, name, at, place),
            Type::BitField { of, .. }
            | Type::Enumeration { of, .. }
            | Type::Flags { of, .. }
            | Type::Timestamp { of, .. } => {
                let raw = self.decode(cx, of, at, place)?;
                Ok(Decoded::new(interpreted(kind, whole(&raw.value)), raw.len))
            }
        }
    }

    fn structure(
        &mut self,
        cx: &mut Context,
        name: &Text,
        at: i64,
        place: &Place<'_>,
    ) -> Result<Decoded, Fault> {
        let depth = place.depth().saturating_add(1);
        let Some(layout) = self.profile.structure(name).filter(|_| depth <= BINARY_DEPTH_MAX)
        else {
            return Ok(Decoded::new(Value::Null, 0));
        };
        let parent = if self.profile.asks_for_places { place.so_far() } else { Value::Null };
        let fields = layout.fields.iter().map(|_| State::Waiting).collect();
        let mut frame = Frame { layout, start: at, parent: &parent, fields, size: None, depth };
        for at in 0..layout.fields.len() {
            self.field(cx, &mut frame, at)?;
        }
        let size = self.size(cx, &mut frame)?;
        let mut row = RowBuilder::new();
        for (field, state) in layout.fields.iter().zip(&frame.fields) {
            if let State::Done(decoded) = state {
                row.set(field.name.clone(), decoded.value.clone());
            }
        }
        let value = Value::from(row.build());
        let inner = if self.profile.asks_for_places { frame.known() } else { value.clone() };
        Ok(Decoded { value, inner, len: size })
    }

    fn field(&mut self, cx: &mut Context, frame: &mut Frame<'_>, at: usize) -> Result<(), Fault> {
        let Some(field) = frame.layout.fields.get(at) else { return Ok(()) };
        match frame.fields.get_mut(at) {
            // A circle of fields: what is asked for first is NULL for the other.
            None | Some(State::Done(_) | State::Busy) => return Ok(()),
            Some(state) => *state = State::Busy,
        }
        for needed in &field.needs {
            self.field(cx, frame, *needed)?;
        }
        let decoded = self.placed(cx, frame, field)?;
        if let Some(state) = frame.fields.get_mut(at) {
            *state = State::Done(decoded);
        }
        Ok(())
    }

    fn placed(
        &mut self,
        cx: &mut Context,
        frame: &mut Frame<'_>,
        field: &Field,
    ) -> Result<Decoded, Fault> {
        if self.profile.asks_for_places
            && frame.size.is_none()
            && !frame.layout.size.asks_for_fields()
        {
            self.size(cx, frame)?;
        }
        let offset = whole(&self.amount(cx, &field.offset, &Place::Inside(frame))?);
        let at = frame.start.saturating_add(offset);
        self.decode(cx, &field.kind, at, &Place::Inside(frame))
    }

    fn size(&mut self, cx: &mut Context, frame: &mut Frame<'_>) -> Result<i64, Fault> {
        if let Some(size) = frame.size {
            return Ok(size);
        }
        let layout = frame.layout;
        let size = whole(&self.amount(cx, &layout.size, &Place::Inside(frame))?).max(0);
        frame.size = Some(size);
        Ok(size)
    }

    fn amount(&self, cx: &mut Context, amount: &Amount, place: &Place<'_>) -> Result<Value, Fault> {
        Ok(match amount {
            Amount::Fixed(value) => value.clone(),
            Amount::Computed(lambda) => lambda.call(cx, &self.scope, &[place.so_far()])?,
        })
    }

    fn array(
        &mut self,
        cx: &mut Context,
        of: &Type,
        at: i64,
        count: usize,
        sentinel: Option<&Closure>,
        place: &Place<'_>,
    ) -> Result<Decoded, Fault> {
        let (mut values, mut inner, mut len) = (Vec::new(), Vec::new(), 0_i64);
        for _ in 0..count {
            let one = self.decode(cx, of, at.saturating_add(len), place)?;
            if let Some(sentinel) = sentinel {
                let answer = sentinel.call(cx, &self.scope, core::slice::from_ref(&one.inner))?;
                if truth(cx, &self.scope, &answer)? {
                    break;
                }
            }
            len = len.saturating_add(one.len);
            values.push(one.value);
            inner.push(one.inner);
        }
        Ok(Decoded { value: values.into(), inner: inner.into(), len })
    }

    fn number(&mut self, kind: &Type, at: i64) -> Result<Decoded, Fault> {
        match kind {
            Type::Int { width, signed, big } => {
                let number = self.int(at, *width, *signed, *big)?;
                Ok(Decoded::new(number, i64::try_from(*width).unwrap_or(0)))
            }
            Type::Float { width, big } => {
                let bits = self.int(at, *width, false, *big)?;
                let number = match u32::try_from(bits) {
                    Ok(bits) if *width == 4 => f64::from(f32::from_bits(bits)),
                    _ => f64::from_bits(bits.cast_unsigned()),
                };
                Ok(Decoded::new(number, i64::try_from(*width).unwrap_or(0)))
            }
            Type::FatTimestamp => {
                let date = self.int(at, 2, false, false)?;
                let clock = self.int(at.saturating_add(2), 2, false, false)?;
                Ok(Decoded::new(fat_time(date, clock), 4))
            }
            _ => self.leb128(at),
        }
    }

    /// LEB128 as in DWARF 5 section 7.6, unsigned, of at most ten bytes.
    fn leb128(&mut self, at: i64) -> Result<Decoded, Fault> {
        let mut bytes = [0; 10];
        self.read(at, &mut bytes)?;
        let mut number = 0_u64;
        for (index, byte) in (0_u32..).zip(bytes) {
            let part = u64::from(byte & 0x7F).checked_shl(index.saturating_mul(7)).unwrap_or(0);
            number |= part;
            if byte & 0x80 == 0 {
                return Ok(Decoded::new(number, i64::from(index).saturating_add(1)));
            }
        }
        Ok(Decoded::new(number, 10))
    }

    fn string(&mut self, at: i64, len: i64, term: &[u8], wide: bool) -> Result<Decoded, Fault> {
        let len = usize::try_from(len).unwrap_or(0);
        if len > BINARY_STRING_LEN_MAX {
            return Err(Fault::error(format!("text of more than {BINARY_STRING_LEN_MAX} bytes")));
        }
        let mut bytes = vec![0; len];
        let count = self.read(at, &mut bytes)?;
        bytes.truncate(count);
        let step = if wide { 2 } else { 1 };
        let found = (!term.is_empty())
            .then(|| bytes.windows(term.len()).step_by(step).position(|part| part == term))
            .flatten();
        if let Some(found) = found {
            bytes.truncate(found.saturating_mul(step));
        }
        let len = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        if !wide {
            return Ok(Decoded::new(bytes, len));
        }
        let units = bytes
            .chunks_exact(2)
            .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
        let text: alloc::string::String =
            char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{FFFD}')).collect();
        Ok(Decoded::new(text, len))
    }

    /// An integer; unsigned ones of eight bytes wrap as all numbers of the language do.
    fn int(&mut self, at: i64, width: usize, signed: bool, big: bool) -> Result<i64, Fault> {
        let mut bytes = [0; 8];
        self.read(at, bytes.get_mut(..width).unwrap_or_default())?;
        if big {
            bytes.get_mut(..width).unwrap_or_default().reverse();
        }
        let unused = u32::try_from(8_usize.saturating_sub(width)).unwrap_or(0).saturating_mul(8);
        let raw = i64::from_le_bytes(bytes);
        if !signed || unused == 0 {
            return Ok(raw);
        }
        Ok(raw.checked_shl(unused).and_then(|high| high.checked_shr(unused)).unwrap_or(raw))
    }

    /// Fills a buffer from an offset on; the count says how much of it the file has.
    fn read(&mut self, at: i64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let Ok(at) = u64::try_from(at) else { return Ok(0) };
        let mut done = 0;
        while done < buffer.len() {
            let from = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let inside =
                from.checked_sub(self.window_at).and_then(|skip| usize::try_from(skip).ok());
            let mut ready = inside.and_then(|skip| self.window.get(skip..)).unwrap_or_default();
            if ready.is_empty() {
                self.window.resize(READ_LEN, 0);
                let count = self.reader.read_at(from, &mut self.window)?;
                self.window.truncate(count);
                self.window_at = from;
                ready = &self.window;
                if ready.is_empty() {
                    break;
                }
            }
            let free = buffer.get_mut(done..).unwrap_or_default();
            let count = free.len().min(ready.len());
            for (to, byte) in free.iter_mut().zip(ready) {
                *to = *byte;
            }
            done = done.saturating_add(count);
        }
        Ok(done)
    }
}

/// Where a value is: what its lambdas are told.
enum Place<'a> {
    Outside,
    Inside(&'a Frame<'a>),
}

impl Place<'_> {
    fn so_far(&self) -> Value {
        match self {
            Self::Outside => Value::Null,
            Self::Inside(frame) => frame.known(),
        }
    }

    const fn depth(&self) -> u16 {
        match self {
            Self::Outside => 0,
            Self::Inside(frame) => frame.depth,
        }
    }
}

impl Frame<'_> {
    /// The fields that are decoded, and where the structure is.
    fn known(&self) -> Value {
        let mut row = RowBuilder::new();
        let end = self.size.map(|size| self.start.saturating_add(size));
        let places = [self.size.into(), self.start.into(), end.into(), self.parent.clone()];
        for (name, value) in PLACES.into_iter().zip::<[Value; 4]>(places) {
            row.set(name, value);
        }
        for (field, state) in self.layout.fields.iter().zip(&self.fields) {
            if let State::Done(decoded) = state {
                row.set(field.name.clone(), decoded.inner.clone());
            }
        }
        row.build().into()
    }
}

fn whole(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => number(other).map_or(0, truncated),
    }
}

/// What a number stands for.
fn interpreted(kind: &Type, raw: i64) -> Value {
    match kind {
        Type::BitField { start, end, .. } => {
            let width = end.saturating_sub(*start);
            let bits = raw.cast_unsigned().checked_shr(*start).unwrap_or(0);
            let mask = 1_u64.checked_shl(width).map_or(u64::MAX, |bit| bit.saturating_sub(1));
            Value::from(bits & mask)
        }
        Type::Enumeration { choices, .. } => {
            choices.get(&raw).cloned().unwrap_or_else(|| format!("{raw:#x}").into())
        }
        Type::Flags { bits, .. } => {
            let is_set = |bit: &u32| raw.checked_shr(*bit).is_some_and(|shifted| shifted & 1 == 1);
            let names = bits.iter().filter(|(_, bit)| is_set(bit));
            names.map(|(name, _)| Value::Str(name.clone())).collect::<Vec<_>>().into()
        }
        Type::Timestamp { per_second, epoch, .. } => {
            let seconds = raw.checked_div_euclid(*per_second).unwrap_or(0).checked_sub(*epoch);
            let rest = raw.checked_rem_euclid(*per_second).unwrap_or(0);
            let fraction = i128::from(rest).saturating_mul(1_000_000_000);
            let nanos = fraction.checked_div(i128::from(*per_second)).unwrap_or(0);
            let time = seconds
                .and_then(|seconds| seconds.checked_mul(1_000_000_000))
                .and_then(|whole| whole.checked_add(i64::try_from(nanos).ok()?));
            time.map(Time::from_nanos).into()
        }
        _ => Value::Int(raw),
    }
}

/// The MS-DOS date and time of FAT: seven bits of years since 1980, four of month, five of day; five of hour, six of
/// minute, five of double seconds.
fn fat_time(date: i64, clock: i64) -> Option<Time> {
    let date = ((date >> 9).checked_add(1980)?, (date >> 5) & 15, date & 31);
    let clock = (clock >> 11, (clock >> 5) & 63, (clock & 31).checked_mul(2)?);
    Time::from_civil(date, clock, 0)
}
