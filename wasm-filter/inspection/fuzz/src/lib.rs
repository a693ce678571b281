//! What fuzz targets do with their input. Each ends in a panic where a law is broken.

mod bodies;
pub mod laws;

pub use self::bodies::{
    a2a, elasticsearch, encoding, form, graphql, grpc, inspector, json, kubernetes, mcp, multipart,
    path, shell, sql,
};
