-- Beside Dagster's database: the catalogue of the lake, and the tokens of an installed app.
CREATE DATABASE crm;
