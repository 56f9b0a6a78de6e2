"""DynamoDB, repaired as far as backups and restores of tables need it.

`wire`, `order`, `buckets`, `refusals` and `probe` are helpers; every other module is a patch as in the package above.
"""
