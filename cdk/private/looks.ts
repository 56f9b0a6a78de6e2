import { Duration } from 'aws-cdk-lib';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

/** What is looked at is looked at once a minute for two hours, and from then on more seldom. */
export const SHORT_LOOKS = 120;
const SHORT_WAIT = Duration.minutes(1);
export const LONG_WAIT = Duration.minutes(10);

/** Where the looks are counted: states cannot count but by the data. */
const NUMBER = '$.looks.number';

export interface LooksProps {
  /** What is waited for, as in the names of the states. */
  readonly of: string;
  /** The names of the state that counts, and of that which decides. */
  readonly count: string;
  readonly question: string;
  /** Looks once. */
  readonly look: sfn.CustomState;
  /** Of a look: whether it was the last one, and what follows then. */
  readonly done: sfn.Condition;
  readonly next: sfn.IChainable;
  /** How many looks there are since they were counted from zero, and what follows then. */
  readonly most: number;
  readonly tooMany: sfn.IChainable;
  /** The wait between the first looks, if it is not a minute. */
  readonly shortWait?: Duration;
  /** The wait after the first looks; there is none if no more than these are made. */
  readonly longWait?: Duration;
}

/** How many looks fill two hours and then this time: each is eleven events, and an execution has 25,000. */
export function looksIn(limit: Duration, longWait = LONG_WAIT): number {
  return SHORT_LOOKS + Math.ceil(limit.toMinutes({ integral: false }) / longWait.toMinutes());
}

/** Counts from zero. */
export function beginToLook(scope: Construct, name: string): sfn.Pass {
  return new sfn.Pass(scope, name, { parameters: { number: 0 }, resultPath: '$.looks' });
}

/** Repeats a look until it is done, with waits in between. Its result is the wait, before a look. */
export function lookAgain(scope: Construct, props: LooksProps): sfn.IChainable {
  const { done, look, longWait, most, next, of, shortWait = SHORT_WAIT, tooMany } = props;
  const count = new sfn.Pass(scope, props.count, {
    parameters: { number: sfn.JsonPath.mathAdd(sfn.JsonPath.numberAt(NUMBER), 1) },
    resultPath: '$.looks',
  });
  count.next(look);
  const wait = (name: string, time: Duration) =>
    new sfn.Wait(scope, name, { time: sfn.WaitTime.duration(time) }).next(count);
  const short = wait(`Wait for ${of}`, shortWait);
  const choice = new sfn.Choice(scope, props.question)
    .when(done, next)
    .when(sfn.Condition.numberGreaterThanEquals(NUMBER, most), tooMany);
  if (longWait) {
    const many = sfn.Condition.numberGreaterThanEquals(NUMBER, SHORT_LOOKS);
    choice.when(many, wait(`Wait longer for ${of}`, longWait));
  }
  look.next(choice.otherwise(short));
  return short;
}
