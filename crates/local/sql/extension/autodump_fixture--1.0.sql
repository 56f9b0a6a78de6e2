\echo Use "CREATE EXTENSION autodump_fixture" to load this file. \quit
-- Rows with id below 100 are the extension's own; a dump carries the others.
CREATE TABLE @extschema@.setting (id int PRIMARY KEY, value text);
INSERT INTO @extschema@.setting VALUES (1, 'made by the extension');
CREATE SEQUENCE @extschema@.ticket;
CREATE TABLE @extschema@.not_configuration (id int);
INSERT INTO @extschema@.not_configuration VALUES (1);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.setting', 'WHERE id >= 100');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket', '');
