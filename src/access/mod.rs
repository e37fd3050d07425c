//! Is this business allowed this call now: account, rates, concurrency, destinations. Pure.
