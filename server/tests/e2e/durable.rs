//! What the server's log says of how the store's log is written.

use crate::support::Server;

/// The names of the five ways; the last by io_uring.
const METHODS: [&str; 5] = [
    "pwrite+fdatasync",
    "pwritev2(RWF_DSYNC)",
    "O_DIRECT pwrite+fdatasync",
    "O_DIRECT pwritev2(RWF_DSYNC)",
    "io_uring O_DIRECT write(RWF_DSYNC)",
];

/// The method of each line about durable writes, in order; each says how long one took, too.
fn told(server: &Server) -> Vec<String> {
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("durable writes of the log"));
    let field = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("{line}"));
        rest.to_owned()
    };
    let read = |line: &str| {
        let method = field(line, "method");
        let method = method.strip_prefix('"').unwrap_or_else(|| panic!("{line}"));
        let micros = field(line, "micros");
        let micros = micros.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        assert!(micros.parse::<u64>().is_ok(), "{line}");
        method.split('"').next().unwrap().to_owned()
    };
    lines.map(read).collect()
}

/// Nothing held that line: it could go, or name a way that is not used, and nobody would know.
#[test]
fn the_log_says_at_start_how_it_is_written_and_io_uring_can_be_switched_off() {
    let mut server = Server::configured();
    server.init(1, 1);
    assert_eq!(told(&server).len(), 1, "when the store was made: {}", server.log());
    let config = server.folder().join("strongroom.hcl");
    let text = std::fs::read_to_string(&config).unwrap();
    let without = text
        .replace("storage \"strongroom\" {\n", "storage \"strongroom\" {\n  io_uring = false\n");
    assert_ne!(text, without);
    for (times, text, may_be) in [(2, &text, &METHODS[..]), (3, &without, &METHODS[..4])] {
        assert!(server.terminate().success(), "{}", server.log());
        std::fs::write(&config, text).unwrap();
        server.start();
        server.wait_for(503);
        let told = told(&server);
        assert_eq!(told.len(), times, "once for each start: {}", server.log());
        let method = told.last().unwrap();
        assert!(may_be.contains(&method.as_str()), "{method}");
    }
    assert!(!server.log().contains("storage.io_uring"), "the setting is known: {}", server.log());
}
