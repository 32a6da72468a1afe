//! Cycles among transactions.

/// Why one transaction must come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The second overwrote what the first had written.
    Ww,
    /// The second read what the first had written.
    Wr,
    /// The second overwrote what the first had read.
    Rw,
    /// The first was acknowledged before the second began.
    Time,
}

/// Edges by the node that they leave.
#[derive(Default)]
pub struct Graph {
    edges: Vec<Vec<(usize, Why)>>,
}

impl Graph {
    pub fn new(nodes: usize) -> Self {
        Self { edges: vec![Vec::new(); nodes] }
    }

    pub fn add(&mut self, from: usize, to: usize, why: Why) {
        if from != to {
            self.edges[from].push((to, why));
        }
    }

    pub fn edges(&self) -> impl Iterator<Item = (usize, usize, Why)> {
        let from = self.edges.iter().enumerate();
        from.flat_map(|(from, edges)| edges.iter().map(move |(to, why)| (from, *to, *why)))
    }

    /// Nodes that lie on cycles of edges up to this kind, a list for each strongly connected
    /// component (S. Rao Kosaraju's algorithm, after M. Sharir, "A strong-connectivity algorithm
    /// and its applications in data flow analysis", 1981).
    pub fn knots(&self, up_to: Why) -> Vec<Vec<usize>> {
        let mut backward = Graph::new(self.edges.len());
        for (from, to, why) in self.edges() {
            backward.add(to, from, why);
        }
        let mut seen = vec![false; self.edges.len()];
        let mut finished = Vec::new();
        for node in 0..self.edges.len() {
            self.visit(node, up_to, &mut seen, &mut finished);
        }
        let mut seen = vec![false; self.edges.len()];
        let mut knots = Vec::new();
        for node in finished.into_iter().rev() {
            let mut knot = Vec::new();
            backward.visit(node, up_to, &mut seen, &mut knot);
            if knot.len() > 1 {
                knots.push(knot);
            }
        }
        knots
    }

    /// Depth first; appends nodes as they are left.
    fn visit(&self, start: usize, up_to: Why, seen: &mut [bool], left: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[start], true) {
            return;
        }
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            if let Some((to, why)) = self.edges[*node].get(*next) {
                *next += 1;
                if *why <= up_to && !std::mem::replace(&mut seen[*to], true) {
                    path.push((*to, 0));
                }
            } else {
                left.push(*node);
                path.pop();
            }
        }
    }

    /// Whether edges up to this kind lead from one node to the other.
    pub fn leads(&self, from: usize, to: usize, up_to: Why) -> bool {
        let mut reached = Vec::new();
        self.visit(from, up_to, &mut vec![false; self.edges.len()], &mut reached);
        reached.contains(&to)
    }
}
