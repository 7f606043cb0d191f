//! One batch as part of a flow: the batch itself, its clocks and its counts.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;

use spin::Mutex;
use troodon_proto::{VeloStatus, VqlCollectorArgs};
use troodon_vql::{Interrupt, Level};

use super::batch::{Batch, Ready, Slice, Turn};
use super::moment::Moment;
use super::setting::Setting;
use super::stats::{Progress, signed};
use super::uploads::{BatchUploads, Counts, FlowUploads};
use super::watch::Watch;
use crate::time::Instant;

/// A batch of a flow.
pub(crate) struct Member {
    state: State,
    watch: Watch,
    progress: Progress,
    uploaded: Arc<Mutex<Counts>>,
    /// What is left to tell after the batch ended.
    last: VecDeque<Ready>,
}

enum State {
    Running { batch: Box<Batch>, next_at: Instant },
    Over,
}

impl Member {
    pub(crate) fn start(
        args: VqlCollectorArgs,
        setting: &Setting,
        uploads: &Arc<FlowUploads>,
        interrupt: &Interrupt,
        moment: Moment,
    ) -> Self {
        let uploaded = Arc::<Mutex<Counts>>::default();
        let watch = Watch::start(&args, moment.now);
        let mut progress = Progress::new();
        progress.touch(moment.now, moment.wall);
        let mut member =
            Self { state: State::Over, watch, progress, uploaded, last: VecDeque::new() };
        let sizes = setting.sizes;
        let started = Batch::start(args, sizes.part_bytes, moment, |scope| {
            let uploader = BatchUploads::new(uploads, &member.uploaded);
            setting.session(scope, sizes.budget, interrupt, Box::new(uploader))
        });
        match started {
            Ok(batch) => {
                member.state = State::Running { batch: Box::new(batch), next_at: moment.now };
            }
            Err(why) => member.end_with(&why, moment),
        }
        member
    }

    /// Does what is due by time.
    pub(crate) fn tick(&mut self, moment: Moment) {
        self.watch.settle(moment.now);
        let State::Running { batch, .. } = &mut self.state else { return };
        batch.ship_due(moment);
        if let Some(why) = self.watch.verdict(moment.now) {
            self.give_up(&why, moment);
        } else if self.watch.beats(moment.now) {
            self.last.push_back(Ready::Log(Level::Default, self.progress.sentence()));
        }
    }

    /// When the batch may run; never when it is over.
    pub(crate) fn may_run_at(&self) -> Instant {
        match &self.state {
            State::Running { next_at, .. } => (*next_at).max(self.watch.may_run_at()),
            State::Over => Instant::NEVER,
        }
    }

    /// When there is something to do at the latest.
    pub(crate) fn wake_at(&self) -> Instant {
        match &self.state {
            State::Running { batch, .. } => {
                self.may_run_at().min(self.watch.due_at()).min(batch.due_at())
            }
            State::Over => Instant::NEVER,
        }
    }

    /// Works for one slice.
    pub(crate) fn run(&mut self, moment: Moment, fuel: u64, rows_left: &mut u64) -> Turn {
        let State::Running { batch, next_at } = &mut self.state else { return Turn::Ended };
        self.watch.run(moment.now, fuel);
        self.progress.touch(moment.now, moment.wall);
        let turn = batch.run(&mut Slice { moment, fuel, rows_left });
        match &turn {
            Turn::Again => *next_at = moment.now,
            Turn::Until(until) => *next_at = *until,
            Turn::Ended => self.end(moment),
            Turn::Failed(why) => self.give_up(why, moment),
            Turn::Interrupted | Turn::TooManyRows => {}
        }
        turn
    }

    /// Ends the batch with an error; what it has is shipped.
    pub(crate) fn give_up(&mut self, why: &str, moment: Moment) {
        if let State::Running { .. } = self.state {
            self.end_with(why, moment);
        }
    }

    /// Ends the batch with an error; what it has is dropped.
    pub(crate) fn abandon(&mut self, why: &str, moment: Moment) {
        if let State::Running { .. } = self.state {
            self.state = State::Over;
            self.last.clear();
            self.progress.fail(why);
            self.progress.end(moment.now, moment.wall);
        }
    }

    /// What is ready, in the order in which it came to be. Parts are counted as they leave.
    pub(crate) fn take(&mut self) -> Option<Ready> {
        let ready = match &mut self.state {
            State::Running { batch, .. } => batch.take().or_else(|| self.last.pop_front()),
            State::Over => self.last.pop_front(),
        };
        if let Some(Ready::Part(part)) = &ready {
            let name = part.query.as_ref().map_or("", |query| query.name.as_str());
            self.progress.shipped(name, part.total_rows);
        }
        ready
    }

    /// Notes that a line of this batch was logged, or dropped, and what it says if it is an error.
    pub(crate) fn logged(&mut self, is_taken: bool, error: Option<&str>) {
        self.progress.log_rows = self.progress.log_rows.saturating_add(u64::from(is_taken));
        if let Some(error) = error {
            self.progress.fail(error);
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The status as the server wants it.
    pub(crate) fn status(&self) -> VeloStatus {
        let uploaded = *self.uploaded.lock();
        VeloStatus {
            uploaded_files: signed(uploaded.files),
            uploaded_bytes: signed(uploaded.bytes),
            expected_uploaded_bytes: signed(uploaded.expected_bytes),
            ..self.progress.status()
        }
    }

    fn end_with(&mut self, why: &str, moment: Moment) {
        self.progress.fail(why);
        self.end(moment);
        self.last.push_back(Ready::Log(Level::Error, String::from(why)));
    }

    fn end(&mut self, moment: Moment) {
        if let State::Running { batch, .. } = &mut self.state {
            batch.stop(moment);
            self.last.extend(core::iter::from_fn(|| batch.take()));
        }
        self.state = State::Over;
        self.progress.end(moment.now, moment.wall);
    }
}
