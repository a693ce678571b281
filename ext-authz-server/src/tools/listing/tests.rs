use std::time::Duration;

use chaperone_inspection::obligations::OnUnmaskable;
use chaperone_proto::v1::tools_server::Tools as _;
use chaperone_proto::v1::{self as proto, ToolsQuestion, VisibleRequest};
use prost::Message as _;
use tempfile::TempDir;
use tonic::{Code, Request};

use super::*;
use crate::audit::AuditLog;
use crate::envoy::ToolsService;
use crate::identity::{Acceptance, Assurance, Hop};
use crate::policy::{Known, PolicySources, TokenContext};
use crate::store::{Durability, SqliteStore, Store, ToolKey};
use crate::time::SystemClock;
use crate::tools::{Pin, PinFile, Pins, TicketOrder};
use crate::upstream::UpstreamCredentials;

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

const POLICIES: &str = r#"
@id("a") permit (principal, action == Action::"mcp:tools/call", resource)
when { resource in [Tool::"read", Tool::"send"] };
"#;

struct World {
    _folder: TempDir,
    lists: ToolLists,
    store: Arc<SqliteStore>,
}

impl World {
    /// A service `tools` with a route `/mcp` and those pins, if any.
    fn new(pins: Option<&[(&str, &[u8])]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.cedar"), POLICIES).unwrap();
        let sources = PolicySources { paths: vec![folder.path().join("a.cedar")] };
        let policies = Arc::new(Policies::load(sources, Known::default(), NOW).unwrap());
        let path = folder.path().join("store.db");
        let store = Arc::new(SqliteStore::open(&path, Durability::Normal).unwrap());
        let file = |pins: &[(&str, &[u8])]| {
            let path = folder.path().join("pins.json");
            written(pins).write(&path).unwrap();
            ("/mcp".to_owned(), Arc::new(PinFile::open(path).unwrap()))
        };
        let service = Service {
            name: "tools".into(),
            acceptance: Acceptance::default(),
            upstream: UpstreamCredentials::Remove,
            names_policies: false,
            on_unmaskable: OnUnmaskable::Block,
            approval_wait: Duration::ZERO,
            external_url: None,
            resource: None,
            pins: pins.map(file).into_iter().collect(),
        };
        let services = [("tools".to_owned(), service)].into();
        let tools = Arc::new(Tools::new(Arc::clone(&store) as Arc<dyn Store>));
        let lists = ToolLists::new([key()].into(), services, Enforce::EveryHop, policies, tools);
        Self { _folder: folder, lists, store }
    }

    async fn visible(&self, listed: &[(&str, &[u8])]) -> Vec<usize> {
        let listed: Vec<_> =
            listed.iter().map(|&(name, definition)| tool(name, definition)).collect();
        self.lists.visible(&ticket("tools"), "dec_1", &listed, NOW).await.unwrap()
    }

    async fn seen(&self, tool: &str) -> Option<Digest> {
        let (service, route) = ("tools".to_owned(), "/mcp".to_owned());
        self.store.tool_seen(ToolKey { service, route, tool: tool.to_owned() }).await.unwrap()
    }

    async fn records(&self) -> Vec<serde_json::Value> {
        let log = AuditLog::new(Arc::clone(&self.store) as Arc<dyn Store>);
        let entries = log.entries_of("dec_1").await.unwrap();
        entries.iter().map(|entry| serde_json::from_str(&entry.draft.body).unwrap()).collect()
    }
}

fn key() -> FactsKey {
    FactsKey::new("k1", vec![7; 32]).unwrap()
}

fn tool(name: &str, definition: &[u8]) -> ListedTool {
    ListedTool { name: name.to_owned(), digest: Digest::of(definition) }
}

fn written(pins: &[(&str, &[u8])]) -> Pins {
    let pin = |&(name, definition): &(&str, &[u8])| {
        let pin = Pin { sha256: Digest::of(definition), description: String::new() };
        (name.to_owned(), pin)
    };
    Pins { tools: pins.iter().map(pin).collect() }
}

fn ticket(service: &str) -> String {
    let hop = Hop::new("k8s/a".parse().unwrap(), Assurance::Proven, [].into());
    let order = TicketOrder {
        decision: "dec_1",
        service,
        route: "/mcp",
        host: "tools.example",
        path: "/mcp",
        token: &TokenContext::default(),
        chain: &Chain::new(vec![hop]).unwrap(),
    };
    Ticket::new(&order, NOW).seal(&key())
}

#[tokio::test]
async fn what_may_be_called_is_shown_where_nothing_is_pinned() {
    let world = World::new(None);
    assert_eq!(world.visible(&[("read", b"1"), ("drop", b"2"), ("send", b"3")]).await, [0, 2]);
    assert_eq!(world.seen("read").await, None, "nobody needs to know");
    let records = world.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0]["listed"], &records[0]["hidden"]), (&3.into(), &1.into()));
    assert_eq!(records[0]["tools"][0]["tool"], "drop");
    assert_eq!(records[0]["tools"][0]["why"], "not_permitted");
    assert_eq!(world.visible(&[("read", b"1")]).await, [0]);
    assert_eq!(world.records().await.len(), 1, "nothing was left out");
}

#[tokio::test]
async fn what_is_not_as_it_was_pinned_is_not_shown_and_is_remembered() {
    let world = World::new(Some(&[("read", b"1"), ("drop", b"2")]));
    let listed: [(&str, &[u8]); 3] = [("read", b"other"), ("drop", b"2"), ("send", b"3")];
    assert_eq!(world.visible(&listed).await, [0; 0]);
    let why: Vec<_> = world.records().await[0]["tools"].as_array().unwrap().clone();
    let why: Vec<_> = why.iter().map(|tool| tool["why"].as_str().unwrap().to_owned()).collect();
    assert_eq!(why, ["tool_changed", "not_permitted", "tool_unpinned"]);
    assert_eq!(world.seen("read").await, Some(Digest::of(b"other")));
    assert_eq!(world.visible(&[("read", b"1")]).await, [0]);
    assert_eq!(world.seen("read").await, Some(Digest::of(b"1")), "it took it back");
}

#[tokio::test]
async fn of_two_definitions_under_one_name_the_unknown_one_counts() {
    for listed in [[("read", b"1"), ("read", b"2")], [("read", b"2"), ("read", b"1")]] {
        let world = World::new(Some(&[("read", b"1")]));
        let listed = listed.map(|(name, definition)| (name, definition.as_slice()));
        assert_eq!(world.visible(&listed).await.len(), 1);
        assert_eq!(world.seen("read").await, Some(Digest::of(b"2")));
    }
}

#[tokio::test]
async fn nothing_is_told_without_a_good_ticket() {
    let world = World::new(None);
    let ask = async |ticket: &str, decision: &str, listed: &[ListedTool]| {
        world.lists.visible(ticket, decision, listed, NOW).await.unwrap_err()
    };
    assert_eq!(ask(&ticket("tools"), "dec_2", &[]).await, TicketError::Decision.into());
    assert_eq!(ask("t.t", "dec_1", &[]).await, TicketError::Seal.into());
    assert_eq!(ask(&ticket("gone"), "dec_1", &[]).await, ListError::ServiceUnknown);
    let many = vec![tool("read", b"1"); MAX_TOOLS + 1];
    assert_eq!(ask(&ticket("tools"), "dec_1", &many).await, ListError::TooMany);
}

#[tokio::test]
async fn only_a_filter_is_answered() {
    let service = ToolsService::new([key()].into(), World::new(None).lists, Arc::new(SystemClock));
    let ask = async |key_id: &str, domain: &[u8], ticket: &str, question: Option<Vec<u8>>| {
        let asked = ToolsQuestion {
            decision_id: "dec_1".into(),
            ticket: ticket.into(),
            tools: vec![proto::ListedTool { name: "read".into(), sha256: vec![1; 32] }],
        };
        let question = question.unwrap_or_else(|| asked.encode_to_vec());
        let mac = key().mac(&[domain, &question].concat()).to_vec();
        let request = VisibleRequest { key_id: key_id.into(), question, mac };
        service.visible(Request::new(request)).await.unwrap_err().code()
    };
    let domain = b"chaperone.v1.Tools/Visible\0".as_slice();
    assert_eq!(ask("k2", domain, "", None).await, Code::Unauthenticated);
    assert_eq!(ask("k1", b"", "", None).await, Code::Unauthenticated, "a report is no question");
    assert_eq!(ask("k1", domain, "t.t", None).await, Code::PermissionDenied);
    assert_eq!(ask("k1", domain, "", Some(b"x".to_vec())).await, Code::InvalidArgument);
}
