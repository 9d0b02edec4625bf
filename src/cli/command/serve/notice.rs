//! Telling systemd how it goes (sd_notify(3)): a datagram, and nothing more.

use std::os::unix::net::UnixDatagram;

use crate::cli::context::Context;

/// Sends a state, where somebody wants to hear it. Whether it was heard is
/// nobody's business here.
pub(super) fn send(context: &Context, state: &str) {
    let Some(name) = &context.environment.notify_socket else {
        return;
    };
    let Ok(socket) = UnixDatagram::unbound() else {
        return;
    };
    #[cfg(target_os = "linux")]
    if let Some(abstract_name) = name.to_str().and_then(|name| name.strip_prefix('@')) {
        use std::os::linux::net::SocketAddrExt;
        if let Ok(address) =
            std::os::unix::net::SocketAddr::from_abstract_name(abstract_name.as_bytes())
        {
            let _ = socket.send_to_addr(state.as_bytes(), &address);
        }
        return;
    }
    let _ = socket.send_to(state.as_bytes(), name);
}
