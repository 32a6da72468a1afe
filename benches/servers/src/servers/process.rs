//! A child process, and what the system counts of it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Length of the system's tick in `/proc/PID/stat`, us. It is part of the interface to user space.
const TICK_US: f64 = 10_000.0;

/// Killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts it; what it says goes to `log` in its folder.
    pub fn spawn(command: &mut Command, folder: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self(command.spawn().with_context(|| format!("{command:?}"))?))
    }

    /// CPU time so far, user and system, us; threads that ended are in it. The system scales both by
    /// what its scheduler measured, so that only the sum is exact to a tick.
    pub fn cpu_us(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
        let ticks: Vec<f64> =
            fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        ensure!(ticks.len() == 2, "/proc/PID/stat has too few fields");
        Ok((ticks[0] + ticks[1]) * TICK_US)
    }

    /// Resident memory, bytes.
    pub fn resident_bytes(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kib: f64 = line.split_whitespace().next().context("VmRSS")?.parse()?;
        Ok(kib * 1024.0)
    }

    /// Ends it in good order.
    pub fn stop(mut self) -> Result<()> {
        let id = self.0.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status()?;
        ensure!(told.success(), "the server could not be told to stop");
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
