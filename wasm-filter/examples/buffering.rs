//! A filter that holds a request until its body is complete and does nothing else: what
//! the latency of the real one is measured against.

#[cfg(target_arch = "wasm32")]
mod filter {
    use proxy_wasm::traits::{Context, HttpContext, RootContext};
    use proxy_wasm::types::{Action, ContextType};

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| Box::new(Buffering));
    }}

    struct Buffering;

    impl Context for Buffering {}

    impl RootContext for Buffering {
        fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
            Some(Box::new(Self))
        }

        fn get_type(&self) -> Option<ContextType> {
            Some(ContextType::HttpContext)
        }
    }

    impl HttpContext for Buffering {
        fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
            if end_of_stream { Action::Continue } else { Action::Pause }
        }

        fn on_http_request_body(&mut self, _: usize, end_of_stream: bool) -> Action {
            if end_of_stream { Action::Continue } else { Action::Pause }
        }
    }
}
