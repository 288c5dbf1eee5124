"""The journal in a PostgreSQL database: for keepers on several hosts, one schema per shard.

The client library is an extra, so nothing here is imported before somebody chooses this store.
"""
