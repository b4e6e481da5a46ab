//! Shell scripts, each of which has git do one thing. They run in a repository
//! with one commit of `a.txt` and `b.txt`, nine lines each.

pub struct Case {
    pub name: &'static str,
    /// Done before there are hooks.
    pub before: &'static str,
    /// Done with them.
    pub act: &'static str,
    /// The repository is bare, and empty.
    pub bare: bool,
    /// git runs none of the hooks that kpmo installs.
    pub silent: bool,
}

const fn case(name: &'static str, before: &'static str, act: &'static str) -> Case {
    Case { name, before, act, bare: false, silent: false }
}

const fn silent(name: &'static str, before: &'static str, act: &'static str) -> Case {
    Case { silent: true, ..case(name, before, act) }
}

const fn bare(name: &'static str, before: &'static str, act: &'static str) -> Case {
    Case { bare: true, silent: true, ..case(name, before, act) }
}

/// A branch `side` with three commits of its own, and one more on `main`.
const FORKED: &str = "git switch -qc side; for n in 1 2 3; do echo $n >s$n.txt; git add .; git commit -qm s$n; done; \
    git switch -q main; echo ten >>b.txt; git commit -qam main2";
/// The same line changed on both.
const CONFLICT: &str = "git switch -qc side; echo side >>a.txt; git commit -qam side; echo more >s.txt; git add .; \
    git commit -qm more; git switch -q main; echo main >>a.txt; git commit -qam main";
const ORIGIN: &str = "git clone -q --bare . \"$REMOTE/${PWD##*/}.git\"; git remote add origin \"$REMOTE/${PWD##*/}.git\"; \
    git fetch -q; git branch -q -u origin/main; echo two >>a.txt; git commit -qam two";

pub const CASES: &[Case] = &[
    // Commits.
    case("commit-all", "", "echo x >>a.txt; echo y >new; git commit -am all"),
    case(
        "commit-only",
        "",
        "echo x >>a.txt; git add a.txt; echo y >>b.txt; git commit --only -m b b.txt; git commit -m a",
    ),
    case("commit-include", "", "echo x >>a.txt; git add a.txt; echo y >>b.txt; git commit -i -m both b.txt"),
    case(
        "commit-pathspec",
        "",
        "mkdir d; echo x >d/x; git add d; echo y >>b.txt; git commit -m b -- ':(top)b*'; git commit -m d",
    ),
    case(
        "commit-amend",
        "",
        "git commit --amend -m words; echo x >>a.txt; git commit -a --amend --no-edit; git commit --amend --no-edit",
    ),
    case(
        "commit-empty",
        "",
        "git commit --allow-empty -m empty; git commit -m nothing; git commit --allow-empty --allow-empty-message -m ''",
    ),
    case(
        "commit-patch",
        "",
        "sed -i '1s/1/one/;9s/9/nine/' a.txt; printf 's\\ny\\nn\\n' | git commit -p -m part",
    ),
    case(
        "commit-message-file",
        "",
        "echo x >>a.txt; echo words | git commit -a -F -; git commit --allow-empty -C HEAD",
    ),
    case(
        "commit-aborted",
        "",
        "echo x >>a.txt; GIT_EDITOR=false git commit -a; GIT_EDITOR='echo >' git commit -a; git status -s",
    ),
    case("commit-no-verify", "", "echo x >>a.txt; git commit -anm unseen"),
    case(
        "commit-dry-run",
        "git commit -q --allow-empty -m two",
        "echo x >>a.txt; git commit -a --dry-run --short; git commit -aqm x",
    ),
    case("commit-removal", "", "git rm -q a.txt; git mv b.txt c.txt; git commit -m moved"),
    case("commit-mode-and-link", "", "chmod +x a.txt; ln -s a.txt l; git add .; git commit -m kinds"),
    case(
        "commit-below",
        "",
        "mkdir d; cd d; echo x >x; git add x; git commit -m below; git -C .. commit --allow-empty -m C",
    ),
    case("commit-orphan", "", "git checkout -q --orphan new; git commit -m orphan; git checkout -q main"),
    case(
        "commit-first",
        "rm -rf .git *; git init -q",
        "echo x >x; git add .; git commit -m first; git commit --amend -m again",
    ),
    case(
        "commit-intent",
        "",
        "echo x >x; git add -N x; echo y >>a.txt; git commit -m nothing; git add a.txt; git commit -m a",
    ),
    case(
        "commit-fixup",
        FORKED,
        "git switch -q side; echo f >>s1.txt; git commit -a --fixup HEAD~2; GIT_SEQUENCE_EDITOR=true git rebase -qi --autosquash HEAD~4",
    ),
    // Merges.
    case("merge-ff", FORKED, "git switch -qc new HEAD~; git merge --no-stat main"),
    case(
        "merge-no-ff",
        "git switch -qc side; echo x >x; git add .; git commit -qm x; git switch -q main",
        "git merge --no-stat --no-ff -m merged side",
    ),
    case("merge-true", FORKED, "git merge --no-stat -m merged side; git merge side"),
    case(
        "merge-no-commit",
        FORKED,
        "git merge -q --no-commit side; echo also >>a.txt; git commit -am merged",
    ),
    case("merge-squash", FORKED, "git merge -q --squash side; git commit -m squashed"),
    case(
        "merge-octopus",
        "for n in 1 2 3; do git switch -qc t$n main; echo $n >t$n; git add .; git commit -qm t$n; done; git switch -q main",
        "git merge -q -m octopus t1 t2 t3",
    ),
    case("merge-ours", CONFLICT, "git merge -q -s ours -m ours side"),
    case(
        "merge-continue",
        CONFLICT,
        "git merge side; echo both >>a.txt; sed -i '/^[<=>]/d' a.txt; git add .; git merge --continue",
    ),
    case("merge-abort", CONFLICT, "git merge side; git merge --abort; git commit --allow-empty -qm after"),
    case(
        "merge-unrelated",
        "git checkout -q --orphan o; git rm -qrf .; echo o >o; git add .; git commit -qm o; git switch -q main",
        "git merge -q o; git merge -q --allow-unrelated-histories -m joined o",
    ),
    // History anew.
    case("rebase", FORKED, "git rebase -q main side; git log --format=%s"),
    case("rebase-apply", FORKED, "git rebase -q --apply main side"),
    case(
        "rebase-interactive",
        FORKED,
        "git switch -q side; GIT_SEQUENCE_EDITOR='printf \"pick side~2\\nexec true\\nfixup side~1\\nreword side\\nbreak\\n\" >' git rebase -qi main; \
        git log --format=%s -3; git rebase --continue",
    ),
    case(
        "rebase-edit",
        FORKED,
        "git switch -q side; GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -qi HEAD~3; echo e >>s1.txt; git commit -a -q --amend --no-edit; \
        echo n >new; git add .; git commit -qm new; git rebase --continue; git log --format=%s",
    ),
    case(
        "rebase-squash",
        FORKED,
        "git switch -q side; GIT_SEQUENCE_EDITOR='sed -i 2,3s/pick/squash/' git rebase -qi HEAD~3; git log --format=%s",
    ),
    case("rebase-drop", FORKED, "git switch -q side; GIT_SEQUENCE_EDITOR='sed -i 2d' git rebase -qi HEAD~3"),
    case(
        "rebase-exec",
        FORKED,
        "git rebase -q --exec 'git commit -q --allow-empty -m exec' main side; git log --format=%s",
    ),
    case(
        "rebase-merges",
        "git switch -qc side; echo x >x; git add .; git commit -qm x; git switch -q main; echo y >y; git add .; git commit -qm y; \
        git merge -q -m m side; git switch -qc base HEAD~; git commit -q --allow-empty -m base; git switch -q main",
        "git rebase -q --rebase-merges base",
    ),
    case(
        "rebase-conflict",
        CONFLICT,
        "git rebase -q main side; sed -i '/^[<=>]/d' a.txt; git add .; git rebase --continue; git log --format=%s",
    ),
    case("rebase-abort", CONFLICT, "git rebase -q main side; git rebase --abort"),
    case("rebase-skip", CONFLICT, "git rebase -q main side; git rebase --skip; git log --format=%s"),
    case(
        "rebase-autostash",
        FORKED,
        "git switch -q side; echo dirty >>a.txt; git rebase -q --autostash main; git diff --stat",
    ),
    case("rebase-nothing", FORKED, "git rebase main; git rebase HEAD~; git commit -q --allow-empty -m after"),
    case("cherry-pick", FORKED, "git cherry-pick side; git cherry-pick -x side~1; git cherry-pick side"),
    case("cherry-pick-range", FORKED, "git cherry-pick side~3..side"),
    case(
        "cherry-pick-conflict",
        CONFLICT,
        "git cherry-pick main..side; sed -i '/^[<=>]/d' a.txt; git add .; git cherry-pick --continue",
    ),
    case(
        "cherry-pick-abort",
        CONFLICT,
        "git cherry-pick main..side; git cherry-pick --abort; git cherry-pick side~; git cherry-pick --quit; git reset -q --hard; git cherry-pick side",
    ),
    case("cherry-pick-no-commit", FORKED, "git cherry-pick -n side side~1; git commit -m both"),
    case(
        "revert",
        FORKED,
        "git switch -q side; git revert --no-edit HEAD HEAD~1; git revert --no-edit HEAD~2..HEAD",
    ),
    case(
        "revert-conflict",
        "echo x >>a.txt; git commit -qam x; echo y >>a.txt; git commit -qam y",
        "git revert --no-edit HEAD~; git checkout -q --theirs a.txt; git add .; git revert --continue",
    ),
    case(
        "am",
        "git switch -qc side; for n in 1 2 3; do echo $n >s$n; git add .; git commit -qm s$n; done; git format-patch -qo ../${PWD##*/}.patches main; git switch -q main",
        "git am ../${PWD##*/}.patches/*",
    ),
    case(
        "am-conflict",
        "echo x >>a.txt; git commit -qam x; git format-patch -qo ../${PWD##*/}.patches -1; git reset -q --hard HEAD~; echo y >>a.txt; git commit -qam y",
        "git am -q ../${PWD##*/}.patches/*; git am --abort; git am -q -3 ../${PWD##*/}.patches/*; sed -i '/^[<=>]/d' a.txt; git add .; git am --continue",
    ),
    case(
        "reset-and-clean",
        "echo x >>a.txt; git commit -qam x",
        "git reset -q --hard HEAD~; touch junk; git clean -qfd; git commit -q --allow-empty -m after; git reset -q --soft HEAD~",
    ),
    // Checkouts and what else moves a work tree.
    case(
        "checkout",
        FORKED,
        "git checkout side; git checkout -; git switch -c new; git switch --detach side; git checkout -- a.txt; git restore b.txt; git checkout side -- s1.txt; git branch -D new",
    ),
    case(
        "stash",
        "",
        "echo x >>a.txt; git stash push -q; echo n >new; git stash push -qu; git stash pop -q; git stash apply -q; git stash branch topic",
    ),
    case(
        "bisect",
        "for n in 1 2 3 4 5 6; do echo $n >>c; git add .; git commit -qm c$n; done",
        "git bisect start HEAD HEAD~6; git bisect run sh -c '! grep -q 4 c'; git bisect reset",
    ),
    case(
        "worktree",
        "",
        "git worktree add -q -b linked ../${PWD##*/}-linked; here=$PWD; cd ../${PWD##*/}-linked; echo x >>a.txt; git commit -am there; \
        git commit -q --amend -m again; git switch -q --detach; git rebase -q main; cd $here; git worktree remove ../${PWD##*/}-linked; git worktree list | wc -l",
    ),
    case(
        "submodule",
        "git submodule --quiet add \"$LIB\" lib; git commit -qm lib",
        "cd lib; echo x >>lib.txt; git -c user.name=T commit -qam inside; cd ..; git commit -am bump; \
        git submodule foreach --quiet 'git commit -q --allow-empty -m each'; git submodule --quiet update; git submodule --quiet foreach --recursive 'git rev-parse HEAD'",
    ),
    case(
        "notes-and-tags",
        FORKED,
        "git notes add -m note; git tag -a -m t t; git branch b; git commit -q --allow-empty -m x; git gc -q; git update-ref refs/heads/u HEAD; git replace HEAD HEAD~",
    ),
    case(
        "sparse",
        "mkdir d; echo x >d/x; git add .; git commit -qm d; git sparse-checkout set --cone d",
        "echo y >>d/x; git commit -qam sparse; git switch -qc t; git merge -q main",
    ),
    // Pushes and pulls.
    case("push", ORIGIN, "git push -q; git push -q; echo; git push origin main:refs/heads/also"),
    case(
        "push-many",
        ORIGIN,
        "for n in 1 2 3 4 5; do git branch b$n; git tag t$n; git tag -a -m x a$n; done; git push -q --all origin; git push -q --tags origin; git push -q --mirror origin",
    ),
    case(
        "push-force-and-delete",
        ORIGIN,
        "git push -q; git commit -q --amend -m forced; git push -q; git push -q --force-with-lease; git push -q origin HEAD:new; git push -q origin :new; git push -q --delete origin none",
    ),
    case(
        "push-atomic",
        ORIGIN,
        "git branch b; git push -q --atomic origin main b; git push -q --dry-run origin main:dry; git push -q --no-verify origin main:unseen",
    ),
    case(
        "push-to-path",
        ORIGIN,
        "git push -q \"$(git remote get-url origin)\" HEAD:by-path; git push -q ../nowhere HEAD; git push -q --porcelain origin",
    ),
    case(
        "push-from-linked",
        ORIGIN,
        "git worktree add -q -b linked ../${PWD##*/}-linked; cd ../${PWD##*/}-linked; git commit -q --allow-empty -m x; git push -q origin linked; git push -q --signed=no origin linked:l2",
    ),
    case(
        "pull",
        ORIGIN,
        "git clone -q \"$(git remote get-url origin)\" ../${PWD##*/}.other; git -C ../${PWD##*/}.other -c user.name=T commit -q --allow-empty -m other; \
        git -C ../${PWD##*/}.other push -q; git fetch -q; git merge -q -m merged origin/main; git push -q; git -C ../${PWD##*/}.other pull -q; git -C ../${PWD##*/}.other -c user.name=T commit -q --allow-empty -m more; \
        git -C ../${PWD##*/}.other push -q; git commit -q --allow-empty -m mine; git pull -q --rebase; git pull -q --ff-only; rm -rf ../${PWD##*/}.other",
    ),
    // Where variables lead.
    case(
        "variables",
        FORKED,
        "export GIT_DIR=$PWD/.git GIT_WORK_TREE=$PWD; cd /; git commit -q --allow-empty -m far; git merge -q -m m side; git commit -q --amend -m again",
    ),
    case(
        "another-index",
        "",
        "export GIT_INDEX_FILE=$PWD/.git/other; git read-tree HEAD; echo x >>a.txt; git add a.txt; git commit -qm other; rm .git/other; unset GIT_INDEX_FILE; git reset -q",
    ),
    case("from-below-git-dir", "", "cd .git; git --work-tree=.. commit -q --allow-empty -m inside"),
    case(
        "alias",
        "",
        "git config alias.ci 'commit -q --allow-empty'; git config alias.sh '!git commit -q --allow-empty -m shell && git ci -m inner'; git ci -m one; git sh",
    ),
    case(
        "commit-tree",
        "",
        "git commit --allow-empty -qm x; git update-ref HEAD $(git commit-tree -p HEAD -m plumbed HEAD^{tree}); git commit --allow-empty -qm y",
    ),
    silent(
        "looking",
        FORKED,
        "git status -s; git log --oneline; git diff side --stat; git show --stat; git blame a.txt | wc -l; git grep -c 1; git fetch -q . side",
    ),
    bare(
        "bare",
        "",
        "git commit-tree -m x $(git mktree </dev/null) | xargs git update-ref refs/heads/main; git log --format=%s main; git clone -q . ../${PWD##*/}.clone; \
        cd ../${PWD##*/}.clone; git commit -q --allow-empty -m y; git push -q; rm -rf ../${PWD##*/}",
    ),
];
