package step.saga;

/** Says which of the two functions of a step a message is for. */
public enum Direction {
    /** Towards the end of the saga. */
    HANDLE("handle"),
    /** Backwards, undoing finished steps in reverse order. */
    COMPENSATE("compensate");

    private final String word;

    Direction(String word) {
        this.word = word;
    }

    /** {@code handle} or {@code compensate}. */
    @Override
    public String toString() {
        return word;
    }
}
