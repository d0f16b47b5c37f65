//! Whether the replicas of the model do what the gateway's own machine does, in one state.

use super::{
    attempt::{Course, Courses, Place, Seen},
    bounds::Bounds,
    rules::Rules,
    state::{NONE, Replica, Sight, Stage, State, Uid},
    steps::{self, GET_ACTIVE, GET_ENDED, GET_NOTHING, GET_TERMINATING, Step},
};

/// What the model and the machine disagree about in `state`, if they do.
///
/// The model's replicas may be slower, give up or crash at any moment, and read a view that lags: that is not compared.
pub(super) fn disagreement(state: &State, bounds: &Bounds, rules: Rules, courses: &mut Courses) -> Option<String> {
    let mut found = Vec::new();
    steps::each(state, bounds, rules, &mut |step, next| found.push((step, next)));
    let reads = reads(state, rules, courses);
    let replicas = state.replicas().iter().enumerate().filter_map(|(index, replica)| {
        let own: Vec<_> = found.iter().filter(|(step, _)| step.is_of(index)).map(|(step, next)| (step, next)).collect();
        let view = Compared { state, bounds, index, replica, own: &own };
        view.disagreement(courses).map(|disagreement| format!("replica {}: {disagreement}", index + 1))
    });
    reads.into_iter().chain(replicas).next()
}

/// What somebody decides who reads all that exists now.
fn reads(state: &State, rules: Rules, courses: &mut Courses) -> Option<String> {
    let course = courses.of(Place::Reads(state.objects.map(|object| (object.after, Seen::from(object)))));
    let sights = state.sights(rules);
    let agrees = match (sights.as_slice(), course) {
        ([Sight::Nothing], Course::Sends(NONE)) => true,
        ([Sight::Wait], Course::Ends { on, releases: false }) => Seen::from(state.object(on)) == Seen::Active,
        ([Sight::After(uid)], Course::Sends(after)) => *uid == after,
        ([Sight::After(uid)], Course::AwaitsDeletion) => {
            Seen::from(state.object(*uid)) == Seen::Terminating { claimed: false }
        }
        _ => false,
    };
    (!agrees).then(|| format!("who reads now decides {sights:?}, and the machine {course:?}"))
}

/// One replica's steps.
struct Compared<'a> {
    state: &'a State,
    bounds: &'a Bounds,
    index: usize,
    replica: &'a Replica,
    own: &'a [(&'a Step, &'a State)],
}

impl Compared<'_> {
    fn disagreement(&self, courses: &mut Courses) -> Option<String> {
        let after = self.replica.request.after;
        match self.replica.stage {
            Stage::Idle => self.decides(self.replica.sight.predecessor()?, courses),
            Stage::Read => self.decides(after, courses),
            Stage::Sent => self.is_answered(after, courses),
            Stage::Exists => self.has_asked(after, courses),
        }
    }

    /// Which create it sends next, if it does, from where it has not sent one.
    fn sends(&self) -> Option<Uid> {
        let sent = self.own.iter().map(|(_, next)| &next.replicas()[self.index]).find(|own| own.stage == Stage::Sent);
        sent.map(|own| own.request.after)
    }

    fn compare(&self, place: Place, model: Option<Uid>, courses: &mut Courses) -> Option<String> {
        let course = courses.of(place);
        let machine = if let Course::Sends(after) = course { Some(after) } else { None };
        // A create more than may be under way is not sent.
        let is_full = self.state.in_flight() >= self.bounds.in_flight;
        (model != machine && !(is_full && model.is_none()))
            .then(|| format!("{model:?} in the model, {course:?} after {place:?}"))
    }

    /// It has read, now or before, that `latest` is the latest.
    fn decides(&self, latest: Uid, courses: &mut Courses) -> Option<String> {
        let is = Seen::from(self.state.object(latest));
        let model = self.sends();
        let read = [Seen::Terminal { claimed: false }, Seen::Terminal { claimed: true }, is];
        // What is gone was there when it was read.
        let read = read.into_iter().filter(|was| latest == NONE || *was != Seen::Absent);
        read.flat_map(|was| [false, true].map(|met| Place::Decides { latest, was, is, met }))
            .find_map(|place| self.compare(place, model, courses))
    }

    fn is_answered(&self, after: Uid, courses: &mut Courses) -> Option<String> {
        let taken = self.state.named_after(after).is_some();
        let course = courses.of(Place::Answered { after, taken });
        let asks = self.own.iter().any(|(_, next)| next.replicas()[self.index].stage == Stage::Exists);
        let creates = self.own.iter().any(|(_, next)| next.created > self.state.created);
        let is_full = self.state.created >= self.bounds.creations;
        let agrees = match course {
            Course::Asks => asks && !creates,
            Course::Ends { releases, .. } => !asks && (creates || is_full) && releases == (after != NONE),
            _ => false,
        };
        (!agrees).then(|| format!("asks {asks}, creates {creates} in the model, {course:?} where taken is {taken}"))
    }

    fn has_asked(&self, after: Uid, courses: &mut Courses) -> Option<String> {
        let found = self.state.named_after(after).map(|(uid, object)| (uid, Seen::from(object)));
        let kind = |kind| self.own.iter().any(|(step, _)| step.kind == kind);
        [false, true].into_iter().find_map(|suppresses| {
            let place = Place::Asked { after, found, suppresses };
            let course = courses.of(place);
            let agrees = match course {
                Course::Sends(_) => return self.compare(place, self.sends(), courses),
                Course::ReadsAgain if found.is_none() => kind(GET_NOTHING),
                Course::ReadsAgain => kind(GET_ENDED),
                Course::Ends { on, releases } => {
                    let is_active = found == Some((on, Seen::Active));
                    kind(if is_active { GET_ACTIVE } else { GET_ENDED }) && releases == (after != NONE)
                }
                Course::AwaitsDeletion => kind(GET_TERMINATING),
                Course::Asks => false,
            };
            (!agrees || self.sends().is_some())
                .then(|| format!("{:?} in the model, {course:?} after {place:?}", self.kinds()))
        })
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.own.iter().map(|(step, _)| step.kind).collect()
    }
}
