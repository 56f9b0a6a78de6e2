-- What came with PostgreSQL 18.
CREATE TABLE virtual_generated (
    w int, h int, area int GENERATED ALWAYS AS (w * h) VIRTUAL,
    label text GENERATED ALWAYS AS ('w' || w), kept int GENERATED ALWAYS AS (w + h) STORED);
INSERT INTO virtual_generated (w, h) SELECT n, 7 FROM generate_series(1, 300) AS n;
CREATE TABLE all_virtual (one int GENERATED ALWAYS AS (1) VIRTUAL);
INSERT INTO all_virtual SELECT FROM generate_series(1, 11);
CREATE TABLE named_not_null (
    a int CONSTRAINT "a is there" NOT NULL, b int, c int,
    CONSTRAINT believed CHECK (b > 0) NOT ENFORCED,
    CONSTRAINT c_here NOT NULL c NO INHERIT);
INSERT INTO named_not_null VALUES (1, -1, 1), (2, NULL, 2);
ALTER TABLE named_not_null ADD CONSTRAINT b_later NOT NULL b NOT VALID;
CREATE TABLE believed_key (id int REFERENCES hen NOT ENFORCED);
INSERT INTO believed_key VALUES (1000000);
CREATE PUBLICATION with_generated FOR TABLE generated WITH (publish_generated_columns = stored, publish = 'insert');
\if :has_btree_gist
CREATE TABLE booked (room int, during daterange, PRIMARY KEY (room, during WITHOUT OVERLAPS));
INSERT INTO booked VALUES (1, '[2024-01-01,2024-01-05)'), (1, '[2024-01-05,2024-02-01)');
CREATE TABLE guest (room int, during daterange, name text, FOREIGN KEY (room, PERIOD during) REFERENCES booked (room, PERIOD during));
INSERT INTO guest VALUES (1, '[2024-01-02,2024-01-07)', 'ü');
\endif
