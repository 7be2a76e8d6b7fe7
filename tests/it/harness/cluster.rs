//! A guard that runs a real Redis Cluster on free ports.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::redis::free_port;

/// After so many milliseconds a node that does not answer is taken for dead.
const NODE_TIMEOUT_MS: &str = "1000";
/// Until a cluster is one, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Running nodes without persistence. Each keeps what it knows of the others when it is restarted.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    /// For `redis-cli`.
    cli: Vec<String>,
}

struct Node {
    port: u16,
    /// Where the nodes talk to each other.
    bus: u16,
    options: Vec<String>,
    child: Option<Child>,
    folder: TempDir,
}

impl Cluster {
    /// Primaries with so many replicas each.
    pub(crate) fn start(primaries: usize, replicas: usize) -> Cluster {
        Cluster::start_with(primaries, replicas, &[], &[])
    }

    /// The same with options for the servers and for `redis-cli`.
    pub(crate) fn start_with(
        primaries: usize,
        replicas: usize,
        options: &[&str],
        cli: &[&str],
    ) -> Cluster {
        let node = |_| Node::new(options);
        let nodes: Vec<Node> = (0..primaries * (1 + replicas)).map(node).collect();
        let mut cluster = Cluster { nodes, cli: cli.iter().map(|&text| text.to_owned()).collect() };
        (0..cluster.nodes.len()).for_each(|node| cluster.start_node(node));
        let start = Instant::now();
        while !(0..cluster.nodes.len()).all(|node| cluster.cli(node, &["PING"]) == ["PONG"]) {
            assert!(start.elapsed() < LIMIT, "the nodes do not answer");
            cluster.nodes.iter_mut().for_each(Node::start_elsewhere_if_ended);
            std::thread::sleep(Duration::from_millis(20));
        }
        let addresses = cluster.addresses();
        let (addresses, replicas) = (addresses.iter().map(String::as_str), replicas.to_string());
        let arguments: Vec<&str> = ["--cluster", "create"].into_iter().chain(addresses).collect();
        cluster.cli(
            0,
            &[&arguments, &["--cluster-yes", "--cluster-replicas", &replicas][..]].concat(),
        );
        cluster.wait_until_ok();
        cluster
    }

    /// `host:port` of each node, the first primaries first.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect()
    }

    /// With one seed that nobody listens at, first.
    pub(crate) fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:1,{}", self.addresses().join(","))
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Runs `redis-cli` against a node, and returns its lines.
    pub(crate) fn cli(&self, node: usize, arguments: &[&str]) -> Vec<String> {
        let output = Command::new("redis-cli")
            .args(["-p", &self.nodes[node].port.to_string()])
            .args(&self.cli)
            .args(arguments)
            .output()
            .expect("redis-cli is installed with redis-server");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// After the servers' password was changed.
    pub(crate) fn use_password(&mut self, password: &str) {
        let place = self.cli.iter().position(|text| text == "-a").expect("there was one");
        password.clone_into(&mut self.cli[place + 1]);
    }

    /// The nodes that take writes and are there.
    pub(crate) fn primaries(&self) -> Vec<usize> {
        let is_primary = |node: &usize| {
            self.nodes[*node].child.is_some()
                && self.cli(*node, &["ROLE"]).first().is_some_and(|role| role == "master")
        };
        (0..self.nodes.len()).filter(is_primary).collect()
    }

    /// The primary that has a name's slot.
    pub(crate) fn owner(&self, name: &str) -> usize {
        let has_it = |node: &usize| !self.cli(*node, &["EXISTS", name])[0].contains("MOVED");
        self.primaries().into_iter().find(has_it).expect("every slot has a primary")
    }

    /// All names in all primaries, each with the node that has it.
    pub(crate) fn names(&self) -> Vec<(usize, String)> {
        let names = |node| self.cli(node, &["--scan"]).into_iter().map(move |name| (node, name));
        self.primaries().into_iter().flat_map(names).collect()
    }

    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    pub(crate) fn start_node(&mut self, node: usize) {
        self.nodes[node].start();
    }

    pub(crate) fn signal(&self, node: usize, signal: Signal) {
        let child = self.nodes[node].child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Waits until all nodes that run say that all is well, and replicas have what their primaries
    /// have.
    pub(crate) fn wait_until_ok(&self) {
        let start = Instant::now();
        let says = |node: usize, question: &[&str], line: &str| {
            self.cli(node, question).iter().any(|found| found.trim() == line)
        };
        let is_ok = |node: usize| {
            says(node, &["CLUSTER", "INFO"], "cluster_state:ok")
                && says(node, &["CLUSTER", "INFO"], &format!("cluster_known_nodes:{}", self.len()))
                && (says(node, &["INFO", "replication"], "role:master")
                    || says(node, &["INFO", "replication"], "master_link_status:up"))
        };
        let runs = |node: &usize| self.nodes[*node].child.is_some();
        while !(0..self.nodes.len()).filter(runs).all(is_ok) {
            assert!(start.elapsed() < LIMIT, "{:?}", self.cli(0, &["CLUSTER", "NODES"]));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Node {
    fn new(options: &[&str]) -> Node {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Node {
            port: free_port(),
            bus: free_port(),
            options,
            child: None,
            folder: TempDir::new().unwrap(),
        }
    }

    fn start(&mut self) {
        // With TLS, there is no other port.
        let is_tls = self.options.iter().any(|option| option == "--tls-cluster");
        let (port, tls_port) = if is_tls { (0, self.port) } else { (self.port, 0) };
        let program = std::env::var_os("FORETOLD_TEST_REDIS").unwrap_or("redis-server".into());
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(if is_tls { vec!["--tls-port".to_owned(), tls_port.to_string()] } else { vec![] })
            .args(["--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT_MS])
            .args(["--cluster-port", &self.bus.to_string(), "--repl-diskless-sync-delay", "0"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.options)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (`make test` sees to it)");
        self.child = Some(child);
    }

    /// Starts it on other ports, if somebody else was quicker to take one.
    fn start_elsewhere_if_ended(&mut self) {
        let child = self.child.as_mut().expect("it was started");
        if child.try_wait().unwrap().is_some() {
            (self.port, self.bus) = (free_port(), free_port());
            self.start();
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
