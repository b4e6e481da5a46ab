-- The third version: verdicts are followed back from a tree to what it was made of.

CREATE INDEX verdicts_by_tree ON verdicts (repo_id, tree, policy) WHERE outcome = 'pass';
