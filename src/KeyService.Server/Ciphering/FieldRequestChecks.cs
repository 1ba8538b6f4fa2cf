using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>The limits of a request, in items and in bytes, before any work starts.</summary>
internal static class FieldRequestChecks
{
    /// <exception cref="Refusal">INVALID_ARGUMENT, BATCH_TOO_LARGE.</exception>
    public static void DemandWorkable(FieldRequest request)
    {
        switch (request.Problem)
        {
            case FieldRequestProblem.Malformed:
                throw Refusal.InvalidArgument("request", "is not a message of this method");
            case FieldRequestProblem.TooManyItems:
                throw Refusal.BatchTooLarge("items", "must be at most 10,000");
            case FieldRequestProblem.TooManyBytes:
                throw Refusal.BatchTooLarge("request", "must be at most 3 MiB");
        }

        if (request.ItemCount == 0)
        {
            throw Refusal.InvalidArgument("items", "must be at least one");
        }

        var encrypts = request.Kind is FieldMessage.Encrypt or FieldMessage.EncryptBatch;
        var limit = BulkLimits.MaxFieldLength + (encrypts ? 0 : FieldToken.Overhead1);
        for (var item = 0; item < request.ItemCount; item++)
        {
            if (request.Data(item).Length > limit)
            {
                throw Refusal.InvalidArgument(
                    $"{ItemField(request, item)}{(encrypts ? "plaintext" : "ciphertext")}",
                    encrypts
                        ? "must be at most 1 MiB; encrypt what is larger as an archive"
                        : "must be a field token, of at most 1 MiB and 49 bytes");
            }
        }
    }

    /// <summary>Refuses a batch whose answer would be over the limit.</summary>
    /// <exception cref="Refusal">BATCH_TOO_LARGE.</exception>
    public static void DemandAnswerFits(long answerLength)
    {
        if (answerLength > BulkLimits.MaxMessageLength)
        {
            throw Refusal.BatchTooLarge("items", "must give an answer of at most 3 MiB; every token is 49 bytes longer than its plaintext");
        }
    }

    /// <summary>Path of an item's context in the request, for refusals.</summary>
    public static string ContextField(FieldRequest request, int item) => $"{ItemField(request, item)}context";

    public static bool IsBatch(FieldRequest request) => request.Kind is FieldMessage.EncryptBatch or FieldMessage.DecryptBatch;

    /// <summary>Bytes of plaintext or ciphertext in a request.</summary>
    public static long DataLength(FieldRequest request)
    {
        var sum = 0L;
        for (var item = 0; item < request.ItemCount; item++)
        {
            sum += request.Data(item).Length;
        }

        return sum;
    }

    private static string ItemField(FieldRequest request, int item) => IsBatch(request) ? $"items[{item}]." : "";
}
