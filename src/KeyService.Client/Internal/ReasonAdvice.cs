namespace KeyService.Client.Internal;

/// <summary>What to do about each reason of <c>keyservice.v1.Reason</c>, for people.</summary>
internal static class ReasonAdvice
{
    public static string Of(string reason) => reason switch
    {
        "UNKNOWN_PRINCIPAL" => "Have this certificate or user id registered (keyservice principal create), or use the profile of a principal that is.",
        "ACCESS_DENIED" => "Check the key's name (keyservice key list) and your grants (keyservice whoami), or ask an administrator for a grant.",
        "SEPARATION_OF_DUTIES" => "Have an access manager revoke one of the two grants (keyservice grant list --principal NAME), or use another principal.",
        "DECRYPTION_FAILED" => "Check key, context and that the data is whole; damaged data has to come from another copy.",
        "INVALID_ARGUMENT" => "Correct what the message names and call again.",
        "INVALID_CONTEXT" => "Give at most 16 pairs KEY=VALUE of valid UTF-8, no key twice, at most 4 KiB together.",
        "BATCH_TOO_LARGE" => "Send fewer or smaller items; nothing was done.",
        "ALREADY_EXISTS" => "Use what is there, or choose another name.",
        "NOT_FOUND" => "Check the name against the list command.",
        "KEY_STATE" => "Look at the key's versions (keyservice key versions) and use one that is active.",
        "KEY_OVERDUE" => "Rotate the key (keyservice key rotate); decryption goes on meanwhile.",
        "KEY_EXHAUSTED" => "Rotate the key (keyservice key rotate).",
        "QUOTA_EXHAUSTED" => "Wait as long as the message says, or ask an administrator for a grant with a larger quota.",
        "OVERLOADED" => "Wait a moment and call again.",
        "HSM_UNAVAILABLE" => "Wait for the service to reconnect; when it does not, run keyservice doctor on the server.",
        "STORE_UNAVAILABLE" => "Check the server's database and disk; run keyservice doctor on the server.",
        "AUDIT_UNAVAILABLE" => "Nothing was answered unrecorded; check the server's database and disk.",
        "STORE_TAMPERED" => "Stop using this key and call the security officer: the database was changed outside the service.",
        "REQUEST_ID_REUSED" => "Use a new request id for a new request.",
        "PENDING_APPROVAL" => "Tell the officers (keyservice approval show), and run keyservice approval resume when they have approved.",
        "APPROVAL_REFUSED" => "Nothing was changed; look at the request (keyservice approval show) and at the roster (keyservice officer roster show).",
        "REQUEST_REJECTED" => "Ask the officer why; a new request needs a new request id.",
        "ROSTER_REFUSED" => "Look at the roster in force (keyservice officer roster show), and have the next one made and signed anew.",
        "QUORUM_MISSING" => "Have a roster of officers made, signed and installed (keyservice officer roster).",
        "STREAM_INCOMPLETE" => "Send the whole again; nothing was sealed.",
        "STREAM_IDLE" => "Send the whole again, without long silences.",
        "INTERNAL" => "Report it with the trace id; the server's log says more.",
        "UNIMPLEMENTED" => "Use a client and a server of the same release.",
        "CLOCK_SET_BACK" => "Set the server's clock right; encryption goes on by itself then, and decryption never stopped.",
        "STORE_RESTORED" => "Have a security officer look at the restored database and accept it (keyservice store accept); decryption goes on meanwhile.",
        "BACKUP_UNAVAILABLE" => "Mount or free the destinations that the message names; keyservice backup list shows what stands where.",
        "RECORDS_RETAINED" => "Wait until then; keyservice audit archives says how long each month is kept.",
        "STILL_NEEDED" => "Move or release what the message names first (keyservice key impact).",
        "SESSION_REQUIRED" => "Log in (keyservice login); the first time enrol an authenticator application before (keyservice person enrol-second-factor).",
        "SECOND_FACTOR_REFUSED" => "Wait for the application's next code, and check that its clock is right; three wrong ones in a row lock you.",
        "SECOND_FACTOR_LOCKED" => "Ask another officer to unlock you (keyservice person unlock NAME).",
        "STEP_UP_REQUIRED" => "Give a fresh code (keyservice session confirm) and call again within 5 minutes.",
        "REVIEW_OUTSTANDING" => "Have an officer who had no part in it review the last one (keyservice break-glass list, keyservice break-glass review ID).",
        "SHUTTING_DOWN" => "Call again when the service is back.",
        _ => "See docs/cli.md for this reason.",
    };
}
