"""Sending a finished run's model to the Hugging Face hub: only when asked, and never at the cost of the run."""

from pathlib import Path

from utils.console import NOTES
from utils.errors import UserError


def push(folder: Path, repository: str) -> None:
    """Upload `folder`/model to `repository` (NAME/REPO), made as a public one if it is absent; "": do nothing.

    Raises: UserError, when the hub has not taken it, that says where the model lies and how to send it later.
    """
    if not repository:
        return
    from huggingface_hub import HfApi, get_token

    model = folder / "model"
    try:
        if get_token() is None:
            raise PermissionError("no token of the hub is here (`hf auth login` or HF_TOKEN gives one)")
        api = HfApi()
        api.create_repo(repository, exist_ok=True)
        commit = api.upload_folder(repo_id=repository, folder_path=model, commit_message="Upload a fine-tuned model")
    except Exception as error:  # what the hub's client raises has no common class but Exception
        reason = " ".join(str(error).split())[:200].rstrip(".") or repr(error)
        raise UserError(f"--push_to_hub {repository}: not sent: {reason}; the run is whole, its model in {model}: "
                        f"send it later by `hf upload {repository} {model}`") from error
    NOTES.info("the model is at %s", commit.commit_url.partition("/commit/")[0])
