"""Everything about Square's gift cards: its calls, what they mean to the ledger, and a sandbox to try it on."""
