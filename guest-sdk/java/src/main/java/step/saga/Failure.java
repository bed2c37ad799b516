package step.saga;

/**
 * What turned a saga round.
 *
 * @param position the index of the step that failed or refused, counted forward
 * @param address that step's address
 * @param kind {@code rejected}, {@code retry-exhausted}, {@code deadline}, …
 * @param code stable, for programs: a refusal's own code, or the kind's
 * @param reason for people
 */
public record Failure(int position, String address, String kind, String code, String reason) {}
