"""The Gift Card Provider Protocol as VTEX speaks it: routes, schemas, credentials, errors, paging."""
