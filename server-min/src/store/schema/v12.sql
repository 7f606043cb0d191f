-- Which organisation a session shows.
ALTER TABLE session ADD COLUMN org TEXT NOT NULL DEFAULT 'root';
