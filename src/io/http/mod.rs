//! The HTTP API (contract.md): parse, verify, ask the engine, answer.
