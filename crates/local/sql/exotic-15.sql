-- What came with PostgreSQL 15 to 17.
CREATE TABLE nulls_are_equal (a int, b int, UNIQUE NULLS NOT DISTINCT (a, b));
INSERT INTO nulls_are_equal VALUES (1, NULL), (NULL, NULL), (2, 2);
CREATE VIEW as_invoker WITH (security_invoker = true) AS SELECT * FROM secured;
CREATE UNLOGGED SEQUENCE unlogged_sequence START 9;
CREATE PUBLICATION some_rows FOR TABLE texts (id, value) WHERE (id > 5), hen (id);
CREATE TABLE set_columns (id int PRIMARY KEY, a int, b int DEFAULT 1, FOREIGN KEY (a, b) REFERENCES nulls_are_equal (a, b) ON DELETE SET NULL (a));
INSERT INTO set_columns VALUES (1, 2, 2), (2, NULL, 1);
\if :superuser
CREATE PUBLICATION whole_schema FOR TABLES IN SCHEMA exotic, TABLE "Other \ 'schema' ü".texts WITH (publish = 'insert');
\endif
\if :from_17
CREATE TABLE identified_parts (id bigint GENERATED ALWAYS AS IDENTITY, part int) PARTITION BY LIST (part);
CREATE TABLE identified_parts_1 PARTITION OF identified_parts FOR VALUES IN (1);
INSERT INTO identified_parts (part) SELECT 1 FROM generate_series(1, 20);
GRANT MAINTAIN ON stored TO exotic_reader;
CREATE TABLE infinite (i interval);
INSERT INTO infinite VALUES ('infinity'), ('-infinity');
\endif
