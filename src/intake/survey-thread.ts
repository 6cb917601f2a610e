import { answerFromThread } from "./run-in-thread.ts";
import { surveyCatalogue, type SurveyOrder } from "./survey-catalogue.ts";

answerFromThread((order: SurveyOrder) => surveyCatalogue({ random: Math.random }, order));
