//! Keeps attachments and targets as the inputs mean them while interfaces and addresses come and go.
//!
//! One thread owns the programs. It keeps the capabilities that attaching needs in reserve, and raises them only
//! while it attaches; every other thread of the agent has none.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shadow_core::privileges;
use shadow_tcp::BpfFilter;
use tracing::warn;

use super::attach::Classifiers;
use super::capabilities::TO_ATTACH;
use super::error::CaptureError;
use super::interfaces::{Interface, list, matches};
use super::netlink::Changes;
use super::plan::{Plan, on_interfaces};
use super::settings::{LiveInput, LiveScope};
use super::targets::Targets;

/// Changes come in bursts (a container starts): they are given this long to gather.
const GATHER: Duration = Duration::from_millis(10);

/// The programs and maps of the `tc` engine, with what they are for.
pub struct Following {
    pub classifiers: Classifiers,
    pub targets: Targets,
    pub inputs: Vec<LiveInput>,
    /// Interfaces that are left alone, as if they were not there.
    pub ignored: Vec<String>,
    /// The filter that narrows the targets.
    pub filter: Option<Arc<BpfFilter>>,
}

impl Following {
    /// Attaches and watches as the interfaces of this moment have it. Needs the capabilities to attach.
    pub fn start(&mut self) -> Result<(), CaptureError> {
        let interfaces = list()?;
        for input in &self.inputs {
            check_present(input, &interfaces)?;
        }
        let plan = self.plan(interfaces);
        self.apply(&plan)?;
        if !plan.attachments.is_empty() && !self.classifiers.are_attached() {
            return Err(CaptureError::NothingAttached {
                interfaces: plan.attachments.into_values().collect(),
            });
        }
        Ok(())
    }

    fn plan(&self, mut interfaces: Vec<Interface>) -> Plan {
        interfaces.retain(|one| !self.ignored.iter().any(|pattern| matches(pattern, &one.name)));
        let mut plan = on_interfaces(&self.inputs, &interfaces);
        if let Some(filter) = &self.filter {
            plan.narrow(filter);
        }
        plan
    }

    /// Applies a plan. What is new comes before what is old goes: a packet that both mean is seen all the while, and
    /// where it is seen twice, reassembly drops the second copy.
    fn apply(&mut self, plan: &Plan) -> Result<(), CaptureError> {
        // Targets first: nothing is selected before a program is attached.
        self.targets.add(&plan.targets)?;
        let attached = self.classifiers.attach(&plan.attachments);
        self.classifiers.detach_others(&plan.attachments);
        self.targets.remove_others(&plan.targets)?;
        attached
    }

    /// The same again, with capabilities from the reserve and only when something has changed.
    fn renew(&mut self) -> Result<(), CaptureError> {
        let plan = self.plan(list()?);
        if self.classifiers.are_attached_to(&plan.attachments) && self.targets.are(&plan.targets) {
            return Ok(());
        }
        privileges::with(TO_ATTACH, || self.apply(&plan))?
    }

    /// Takes other inputs; those it had, where that fails.
    fn watch(&mut self, inputs: Vec<LiveInput>) -> Result<(), CaptureError> {
        let before = std::mem::replace(&mut self.inputs, inputs);
        let result = self.renew();
        if result.is_err() {
            self.inputs = before;
            if let Err(error) = self.renew() {
                warn!(%error, "cannot restore the previous capture completely");
            }
        }
        result
    }
}

/// The thread, from outside. Dropping it detaches everything and waits for that.
pub struct Follower {
    orders: Sender<Order>,
    /// A byte wakes the thread; closing it ends it.
    bell: Option<UnixStream>,
    thread: Option<JoinHandle<Option<()>>>,
}

/// New inputs, and where to say how it went.
type Order = (Vec<LiveInput>, SyncSender<Result<(), CaptureError>>);

impl Follower {
    /// Starts the thread. `changes` must have been subscribed before the interfaces were listed, so that none is
    /// missed in between.
    pub fn start(following: Following, changes: Changes) -> Result<Self, CaptureError> {
        Self::start_with(following, changes, wait)
    }

    /// The same, with another way to wait.
    pub(super) fn start_with(
        following: Following,
        changes: Changes,
        wait: Wait,
    ) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Follower { source };
        let (bell, ears) = UnixStream::pair().map_err(failed)?;
        ears.set_nonblocking(true).map_err(failed)?;
        let (orders, inbox) = channel();
        let thread = privileges::thread("interfaces", TO_ATTACH, move || {
            follow(following, &changes, &inbox, &ears, wait);
        })
        .map_err(failed)?;
        Ok(Self {
            orders,
            bell: Some(bell),
            thread: Some(thread),
        })
    }

    /// Watches these inputs from now on.
    pub fn watch(&self, inputs: Vec<LiveInput>) -> Result<(), CaptureError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| CaptureError::Follower {
            source: io::Error::other(error),
        };
        let (answer, report) = sync_channel(1);
        self.orders
            .send((inputs, answer))
            .map_err(|_| failed("it has ended".into()))?;
        if let Some(bell) = &self.bell {
            io::Write::write_all(&mut &*bell, &[1]).map_err(|error| failed(error.into()))?;
        }
        report.recv().map_err(|error| failed(error.into()))?
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.bell = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until there is something on either of the two.
pub(super) type Wait = fn(&Changes, &UnixStream) -> Result<(), Errno>;

fn wait(changes: &Changes, ears: &UnixStream) -> Result<(), Errno> {
    let mut descriptors = [
        PollFd::new(changes.as_fd(), PollFlags::POLLIN),
        PollFd::new(ears.as_fd(), PollFlags::POLLIN),
    ];
    match poll(&mut descriptors, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}

fn follow(
    mut following: Following,
    changes: &Changes,
    inbox: &Receiver<Order>,
    ears: &UnixStream,
    wait: Wait,
) {
    let mut deaf = false;
    loop {
        if !deaf && let Err(error) = wait(changes, ears) {
            // What is attached stays so, and orders are still taken: those can be waited for without poll.
            warn!(
                %error,
                "interfaces and addresses that appear or change from now on are not captured; attached ones remain"
            );
            deaf = true;
            if let Err(error) = ears.set_nonblocking(false) {
                warn!(%error, "the thread that watches interfaces ended; nothing is captured any more");
                return detach(following);
            }
        }
        if has_hung_up(ears) {
            return detach(following);
        }
        for (inputs, answer) in inbox.try_iter() {
            let _ = answer.send(following.watch(inputs));
        }
        if changes.take() {
            std::thread::sleep(GATHER);
            changes.take();
            if let Err(error) = following.renew() {
                warn!(%error, "cannot capture from a new or changed interface");
            }
        }
    }
}

/// Filters of clsact are removed by a request, which needs `CAP_NET_ADMIN`; links just close.
fn detach(following: Following) {
    if let Err(error) = privileges::with(TO_ATTACH, || drop(following)) {
        warn!(%error, "detached without capabilities");
    }
}

/// Reads what rang; whether the other end has closed.
fn has_hung_up(ears: &UnixStream) -> bool {
    let mut rings = [0; 64];
    matches!(io::Read::read(&mut &*ears, &mut rings), Ok(0))
}

/// An interface given by its full name must be there.
fn check_present(input: &LiveInput, interfaces: &[Interface]) -> Result<(), CaptureError> {
    match &input.scope {
        LiveScope::Interfaces(name)
            if !name.contains('*') && !interfaces.iter().any(|one| matches(name, &one.name)) =>
        {
            Err(CaptureError::NoSuchInterface {
                name: name.clone(),
                present: interfaces.iter().map(|one| one.name.clone()).collect(),
            })
        }
        _ => Ok(()),
    }
}
