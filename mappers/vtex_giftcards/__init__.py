"""The native gift cards of another VTEX account, by VTEX's Giftcard API; or any serviceUrl that speaks the same."""
