//! Memory that the start and large requests have left, given back to the operating system.
//!
//! The C library keeps what is freed for what may come, for ever, in pieces of as many threads as
//! have asked for some: after a flood of large bodies that is most of what they took.

use std::time::Duration;

use crate::guest::room::Room;

/// How often it is looked at whether there were any.
const CHECK: Duration = Duration::from_secs(15);

/// Gives memory back after the start, which may have compiled something, and after bodies and
/// answers have taken room, as long as the host runs.
pub(crate) async fn run(rooms: [Room; 2]) {
    let mut was_used = true;
    loop {
        if was_used {
            // It takes milliseconds, which requests on this thread would wait for.
            let _ = tokio::task::spawn_blocking(trim).await;
        }
        tokio::time::sleep(CHECK).await;
        // Both, since each forgets what it tells.
        was_used = rooms.iter().filter(|room| room.was_used()).count() > 0;
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    // SAFETY: the function of the C library that the program is linked to, as its manual declares
    // it; it may be called at any time, from any thread.
    unsafe { malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}
