"""Gift vouchers that live in Voucherify: looked up by code, redeemed, rolled back whole, or given value."""
